"""A suite of rules that Arrow computes; see `jobs.data.arrow_rules`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from jobs.data.arrow_rules import KINDS, ArrowRule, Name
from jobs.data.expectations import ExpectationResult, columns_of, expected_of, worst_first
from jobs.data.type_rules import TYPE_RULES

if TYPE_CHECKING:
    import pyarrow as pa


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    meta: dict[str, Any] | None = None
    notes: str | list[str] | None = None
    id: None = None


class _Expectation(_Strict):
    """As a suite's file describes a rule."""

    type: str
    kwargs: dict[str, Any]
    severity: Literal["critical", "warning", "info"] = "critical"


class _SuiteFile(_Strict):
    """A suite's file."""

    name: Name
    expectations: list[_Expectation]


@dataclass(frozen=True)
class ArrowSuite:
    """The rules, in the order in which their findings are listed."""

    rules: tuple[tuple[_Expectation, ArrowRule], ...]

    def judge(self, table: pa.Table) -> list[ExpectationResult] | None:
        """Hold a batch against the rules.

        Returns:
            What was found, as Great Expectations says it; None where it has to judge the batch: a rule is broken, or
            cannot be computed here.
        """
        if not table.num_rows or len(set(table.column_names)) < table.num_columns:
            return None
        findings = []
        for expectation, rule in self.rules:
            outcome = rule.found(table)
            if outcome is None:
                return None
            kwargs = rule.model_dump(exclude_unset=True, exclude_none=True)
            findings.append(
                ExpectationResult(
                    rule=expectation.type,
                    columns=columns_of(kwargs),
                    expected=expected_of(kwargs),
                    passed=True,
                    found=outcome,
                    critical=expectation.severity == "critical",
                    computed=rule.computed,
                )
            )
        return worst_first(findings)


def read_arrow_suite(text: str) -> ArrowSuite | None:
    """Read a suite.

    Args:
        text: of its file.

    Returns:
        The suite; None where Great Expectations has to read it: Arrow cannot compute a rule of it, or it is not valid,
        which Great Expectations explains.
    """
    try:
        suite = _SuiteFile.model_validate_json(text)
        rules = [(one, KINDS[one.type].model_validate(one.kwargs)) for one in suite.expectations if one.type in KINDS]
    except ValidationError:
        return None
    return ArrowSuite(tuple(_listed(rules))) if len(rules) == len(suite.expectations) else None


def _listed(rules: list[tuple[_Expectation, ArrowRule]]) -> list[tuple[_Expectation, ArrowRule]]:
    """Rules about types first, then those of one column together, as `jobs.data.table_judge` lists them."""
    columns: dict[str | None, int] = {}
    about_types = [one for one in rules if one[0].type in TYPE_RULES]
    others = [one for one in rules if one[0].type not in TYPE_RULES]
    for _, rule in others:
        columns.setdefault(getattr(rule, "column", None), len(columns))
    return [*about_types, *sorted(others, key=lambda one: columns[getattr(one[1], "column", None)])]
