"""A suite whose metrics are worked out once: each further batch of the same schema is judged by computing alone.

Great Expectations builds a graph of the metrics a suite needs for each batch anew, which takes ten times as long as
computing them for a day of some thousand rows. The graph depends on the suite and on names and types of the columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from great_expectations.core.result_format import ResultFormat
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.util import convert_to_json_serializable
from great_expectations.validator.metrics_calculator import MetricsCalculator

if TYPE_CHECKING:
    import great_expectations as gx
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.validator.metric_configuration import MetricConfiguration
    from great_expectations.validator.validation_graph import ValidationGraph

BATCH = "batch"
_ROWS = ("row_condition", "filter_conditions", "ignore_row_if")
RESULT_FORMAT = ResultFormat.SUMMARY.value  # what `Batch.validate` uses


class NotComputed(Exception):
    """A metric cannot be computed for this batch."""


class _NarrowEngine(PandasExecutionEngine):
    """Gives a metric of one column that column alone: rows are chosen many times, and each time from all columns."""

    def __init__(self) -> None:
        super().__init__(caching=False)
        self._narrow: dict[str, pd.DataFrame] = {}

    def load(self, frame: pd.DataFrame) -> None:
        """Take a batch in the place of the one before."""
        self._narrow = {}
        self.load_batch_data(BATCH, frame)

    def get_domain_records(self, domain_kwargs: dict[str, Any]) -> pd.DataFrame:
        """The rows of a domain, as Great Expectations asks for them."""
        column = domain_kwargs.get("column")
        if not isinstance(column, str) or any(domain_kwargs.get(name) for name in _ROWS):
            return super().get_domain_records(domain_kwargs)
        if column not in self._narrow:
            records = super().get_domain_records(domain_kwargs)
            self._narrow[column] = records[[column]] if column in records.columns else records
        return self._narrow[column]


@dataclass(frozen=True)
class ExpectationOutcome:
    """What one expectation says of a batch: its place in the suite's order of evaluation, verdict and details."""

    place: int
    success: bool
    result: dict[str, Any]


@dataclass(frozen=True)
class _PreparedExpectation:
    """An expectation and the metrics it reads, by the name it reads them by."""

    expectation: Expectation
    metrics: dict[str, MetricConfiguration]
    result_format: dict[str, Any]


class PreparedSuite:
    """A suite for batches of one schema.

    Args:
        suite: the expectations.
        frame: a batch; of it, names and types of the columns are read.

    Attributes:
        described: each expectation as JSON, in the order of evaluation.
    """

    def __init__(self, suite: gx.ExpectationSuite, frame: pd.DataFrame) -> None:
        configurations = in_order(suite)
        self.described: list[dict[str, Any]] = [configuration.to_json_dict() for configuration in configurations]
        self._engine = _NarrowEngine()
        self._engine.load(frame)
        calculator = MetricsCalculator(self._engine, show_progress_bars=False)
        self._expectations: list[_PreparedExpectation] = []
        graphs = []
        for configuration in configurations:
            configuration.kwargs["batch_id"] = BATCH
            expectation = configuration.to_domain_obj()
            needed = expectation.get_validation_dependencies(self._engine, {"result_format": RESULT_FORMAT})
            metrics = dict(needed.metric_configurations)
            self._expectations.append(_PreparedExpectation(expectation, metrics, needed.result_format))
            graphs.append(
                calculator.build_metric_dependency_graph(list(metrics.values()), {"result_format": RESULT_FORMAT})
            )
        self._levels = list(_levels(graphs))

    def judge(self, frame: pd.DataFrame) -> list[ExpectationOutcome]:
        """Evaluate every expectation.

        Args:
            frame: a batch of the same schema.

        Raises:
            NotComputed: a metric or an expectation cannot be computed, so that nothing is said of the others either.
        """
        self._engine.load(frame)
        try:
            return self._outcomes()
        except Exception as error:  # whatever a metric of Great Expectations or of a team raises
            raise NotComputed(str(error)) from error

    def _outcomes(self) -> list[ExpectationOutcome]:
        values: dict[Any, Any] = {}
        for level in self._levels:
            nothing: dict[Any, Any] = {metric.id: [] for metric in level if _lists_nothing(metric, values)}
            needed = [metric for metric in level if metric.id not in nothing]
            values |= nothing | self._engine.resolve_metrics(needed, values, {"result_format": RESULT_FORMAT})
        outcomes = []
        for place, prepared in enumerate(self._expectations):
            said = prepared.expectation._validate(
                metrics={name: values[metric.id] for name, metric in prepared.metrics.items()},
                runtime_configuration={"result_format": dict(prepared.result_format)},
                execution_engine=self._engine,
            )
            document = said if isinstance(said, dict) else said.to_json_dict()
            result: Any = convert_to_json_serializable(document.get("result") or {})
            outcomes.append(ExpectationOutcome(place, bool(document["success"]), result))
        return outcomes


def in_order(suite: gx.ExpectationSuite) -> list[ExpectationConfiguration]:
    """The suite's expectations as Great Expectations evaluates them: those of one column together."""
    configurations = list(suite.expectation_configurations)
    columns: dict[str | None, int] = {}
    for configuration in configurations:
        columns.setdefault(_column(configuration), len(columns))
    return sorted(configurations, key=lambda configuration: columns[_column(configuration)])


def _column(configuration: ExpectationConfiguration) -> str | None:
    column = configuration.kwargs.get("column")
    return column if isinstance(column, str) else None


def _lists_nothing(metric: MetricConfiguration, values: Mapping[Any, Any]) -> bool:
    """Whether a metric lists the values that break a rule which no value breaks: no need to look for them."""
    condition = metric.metric_dependencies.get("unexpected_condition")
    if condition is None or not metric.metric_name.endswith(".unexpected_values"):
        return False
    unexpected = values[condition.id][0]
    return not unexpected.any()


def _levels(graphs: Sequence[ValidationGraph]) -> Iterator[list[MetricConfiguration]]:
    """All metrics, each once, those first that need no other."""
    metrics: dict[Any, MetricConfiguration] = {}
    needs: dict[Any, set[Any]] = {}
    for graph in graphs:
        for edge in graph.edges:
            metrics.setdefault(edge.left.id, edge.left)
            needs.setdefault(edge.left.id, set()).update([edge.right.id] if edge.right is not None else [])
    done: set[Any] = set()
    while len(done) < len(metrics):
        ready = [name for name in metrics if name not in done and needs[name] <= done]
        if not ready:
            raise NotComputed("the metrics of the suite need each other")
        yield [metrics[name] for name in ready]
        done.update(ready)
