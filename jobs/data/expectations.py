"""Judging one batch by a Great Expectations suite, and saying in words what it breaks."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidewheel.errors import SpecError

if TYPE_CHECKING:
    import great_expectations as gx
    import pandas as pd

    from jobs.data.prepared_suite import PreparedSuite

    Schema = tuple[tuple[Hashable, Any], ...]
    """Names and types of the columns of a frame, in order."""

NAMED = 3  # examples given in a message
# What a suite says beside the rule itself.
_NO_RULE = ("batch_id", "column", "column_list", "column_set", "exact_match", "mostly")


@dataclass(frozen=True)
class ExpectationResult:
    """What one expectation found in one batch."""

    rule: str
    columns: tuple[str, ...]
    expected: Mapping[str, Any]
    passed: bool
    found: str
    critical: bool = True
    computed: bool = True

    @property
    def sentence(self) -> str:
        """The finding for a person: column, rule, what was found."""
        where = f"column {', '.join(self.columns)}: " if self.columns else ""
        limits = ", ".join(f"{name} {value}" for name, value in self.expected.items())
        return f"{where}{self.found}; rule: {self.rule}{f' ({limits})' if limits else ''}"


class Judge:
    """A suite, ready to judge frames; tables are judged by `jobs.data.table_judge`.

    Making one imports Great Expectations, which takes seconds: one is enough. The first batch of a schema is judged as
    Great Expectations does it. From the second on, the suite is prepared for the schema, which gives the same findings
    in a tenth of the time; see `jobs.data.prepared_suite`.
    """

    def __init__(self, suite: Path | gx.ExpectationSuite) -> None:
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        # Not added to the context: it would be written as JSON, and its dates and times read back as text.
        self.suite = load_suite(suite) if isinstance(suite, Path) else suite
        asset = context.data_sources.add_pandas("batch").add_dataframe_asset("batch")
        self._batch = asset.add_batch_definition_whole_dataframe("batch")
        self._prepared: dict[Schema, PreparedSuite | None] = {}

    def judge(self, frame: pd.DataFrame) -> list[ExpectationResult]:
        """Hold a batch against the suite, broken rules first."""
        schema = tuple(frame.dtypes.items())
        if schema not in self._prepared:
            self._prepared[schema] = None
            return self.judge_plainly(frame)
        return self._judge_prepared(schema, frame)

    def judge_plainly(self, frame: pd.DataFrame) -> list[ExpectationResult]:
        """The same, by Great Expectations' own way from suite to result."""
        result = self._batch.get_batch({"dataframe": frame}).validate(self.suite)
        return worst_first([_finding(one.to_json_dict()) for one in result.results])

    def _judge_prepared(self, schema: Schema, frame: pd.DataFrame) -> list[ExpectationResult]:
        from jobs.data.prepared_suite import NotComputed, PreparedSuite

        try:
            prepared = self._prepared[schema] or PreparedSuite(self.suite, frame)
            self._prepared[schema] = prepared
            outcomes = prepared.judge(frame)
        except NotComputed:  # what cannot be computed, and why, the plain way reports
            return self.judge_plainly(frame)
        findings = []
        for outcome in outcomes:
            document = {"success": outcome.success, "result": outcome.result}
            findings.append(_finding({**document, "expectation_config": prepared.described[outcome.place]}))
        return worst_first(findings)


def load_suite(suite_file: Path) -> gx.ExpectationSuite:
    """Read a suite as Great Expectations writes it (`suite.to_json_dict()`).

    Raises:
        SpecError: the file is missing, not JSON or not a suite, or an expectation is unknown or has wrong arguments.
    """
    return parse_suite(suite_file, read_suite_file(suite_file))


def read_suite_file(suite_file: Path) -> str:
    """The text of a suite's file.

    Raises:
        SpecError: the file is missing or not text.
    """
    try:
        return suite_file.read_text()
    except FileNotFoundError:
        raise SpecError(f"{suite_file}: no such file; expected the suite that judges these batches") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{suite_file} is not an expectation suite: {type(error).__name__}: {error}") from error


def parse_suite(suite_file: Path, text: str) -> gx.ExpectationSuite:
    """Make a suite from the text of its file.

    Raises:
        SpecError: it is not JSON or not a suite, or an expectation is unknown or has wrong arguments.
    """
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        content = json.loads(text)
        # A suite drops what it does not understand, and the data would be judged by fewer rules than were written.
        for expectation in content["expectations"]:
            ExpectationConfiguration(**expectation).to_domain_obj()
        return gx.ExpectationSuite(**content)
    except Exception as error:  # Great Expectations raises what its parts raise
        raise SpecError(f"{suite_file} is not an expectation suite: {type(error).__name__}: {error}") from error


def worst_first(findings: Sequence[ExpectationResult]) -> list[ExpectationResult]:
    """Broken rules first, and of these the critical ones."""
    return sorted(findings, key=lambda finding: (finding.passed, not finding.critical, not finding.computed))


def columns_of(kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that a rule is about, from its arguments."""
    return tuple([kwargs["column"]] if "column" in kwargs else kwargs.get("column_list", []))


def expected_of(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What a rule expects, from its arguments."""
    return {k: v for k, v in kwargs.items() if k not in _NO_RULE or (k == "mostly" and v != 1)}


def _finding(result: dict[str, Any]) -> ExpectationResult:
    config = result["expectation_config"]
    kwargs = {k: v for k, v in config["kwargs"].items() if v is not None}
    return ExpectationResult(
        rule=config["type"],
        columns=columns_of(kwargs),
        expected=expected_of(kwargs),
        passed=bool(result["success"]),
        found=_found(result),
        critical=config.get("severity") == "critical",
        computed=bool(result.get("result")),
    )


def _found(result: dict[str, Any]) -> str:
    """What was found, from the parts that Great Expectations gives for the different kinds of expectations."""
    detail = result.get("result") or {}
    if "unexpected_count" in detail:
        rows, wrong = detail.get("element_count", 0), detail["unexpected_count"]
        if not wrong:
            return f"all of {rows} rows keep it"
        found = f"{wrong} of {rows} rows ({100 * wrong / rows if rows else 0:.1f}%) break the rule"
        examples = [str(value) for value in (detail.get("partial_unexpected_list") or [])[:NAMED] if value is not None]
        return found + (f", for example {', '.join(examples)}" if examples else "")
    if mismatched := (detail.get("details") or {}).get("mismatched"):
        return ", ".join(f"{kind} {', '.join(columns)}" for kind, columns in mismatched.items() if columns)
    if detail.get("observed_value") is not None:
        return f"found {detail['observed_value']}"
    if message := _exception(result.get("exception_info") or {}):
        return f"could not be computed: {message}"
    return "holds" if result["success"] else "does not hold"


def _exception(info: dict[str, Any]) -> str:
    """The first message; its place differs with how many metrics failed."""
    if "exception_message" in info:
        return str(info["exception_message"] or "")
    return next((m for inner in info.values() if isinstance(inner, dict) and (m := _exception(inner))), "")
