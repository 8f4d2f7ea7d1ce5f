"""Running expectations over rows that nobody has ever seen, to learn which of them can be computed at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.checking.finding import reason
from jobs.data.table_judge import divide
from jobs.data.type_rules import judge_type

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.checking.rules import Rule

POSITION = "position"


@dataclass(frozen=True)
class RuleOutcome:
    """What became of one rule.

    Attributes:
        passed: whether it holds.
        found: what was found, where that is known.
        raised: why it could not be computed; empty where it could.
    """

    passed: bool
    found: str = ""
    raised: str = ""


class Rehearsal:
    """Great Expectations with rows of ours. Making one imports it, which takes seconds: one is enough."""

    def __init__(self) -> None:
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("made_up").add_dataframe_asset("made_up")
        self._batch = asset.add_batch_definition_whole_dataframe("made_up")
        self._suites = context.suites

    def outcomes(self, rules: Sequence[Rule], table: pa.Table) -> list[RuleOutcome]:
        """What becomes of each rule over some rows, judged as the nights judge them.

        A rule that ends the whole suite is judged apart from the others.
        """
        try:
            return list(self._together(rules, table))
        except Exception as error:  # whatever a metric raises where Great Expectations does not expect it
            if len(rules) == 1:
                return [RuleOutcome(passed=False, raised=reason(error))]
        return [outcome for rule in rules for outcome in self.outcomes([rule], table)]

    def _together(self, rules: Sequence[Rule], table: pa.Table) -> Iterator[RuleOutcome]:
        import great_expectations as gx

        said = [{"type": r.kind, "kwargs": dict(r.arguments), "meta": {POSITION: r.position}} for r in rules]
        divided = divide(gx.ExpectationSuite(name="made_up", expectations=said).expectations, table.schema)
        outcomes: dict[int, RuleOutcome] = {}
        for expectation in divided.about_types:
            finding = judge_type(expectation, table.schema)
            outcomes[_position(expectation.configuration.to_json_dict())] = RuleOutcome(finding.passed, finding.found)
        for frame, expectations in divided.by_frame.items():
            suite = gx.ExpectationSuite(name="made_up", expectations=list(expectations))
            for one in self._batch.get_batch({"dataframe": frame(table)}).validate(suite).results:
                result: dict[str, Any] = dict(one.to_json_dict())
                outcomes[_position(result["expectation_config"])] = _outcome(result)
        yield from (outcomes[rule.position] for rule in rules)


def _position(configuration: Mapping[str, Any]) -> int:
    return int(configuration["meta"][POSITION])


def _outcome(result: Mapping[str, Any]) -> RuleOutcome:
    raised = _exception(result.get("exception_info") or {})
    detail = result.get("result") or {}
    observed = detail.get("observed_value")
    if mismatched := (detail.get("details") or {}).get("mismatched"):
        observed = ", ".join(f"{kind} {', '.join(columns)}" for kind, columns in mismatched.items() if columns)
    return RuleOutcome(bool(result["success"]), "" if observed is None else f"found {observed}", raised)


def _exception(info: Mapping[str, Any]) -> str:
    """The first message; its place differs with how many metrics failed."""
    if info.get("raised_exception"):
        return " ".join(str(info.get("exception_message") or "it raises").split())[:400]
    return next((said for one in info.values() if isinstance(one, dict) and (said := _exception(one))), "")
