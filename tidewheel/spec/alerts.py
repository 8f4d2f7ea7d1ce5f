"""The section `alerts` of a pipeline file: which channels get messages, about what, and when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from tidewheel.errors import did_you_mean
from tidewheel.spec.mistake import Mistake
from tidewheel.spec.multiclass import task_words
from tidewheel.spec.sections import CLOCK, THRESHOLD, VARIABLE_KEY, Name, Section, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic.config import JsonDict

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From the lowest to the highest."""
BOUNDED = frozenset(
    {
        *("roc_auc", "pr_auc", "accuracy", "precision", "recall", "f1", "brier", "labelled_share", "positive_rate"),
        *("macro_f1", "macro_recall", "estimated_accuracy", "coverage"),
        *("selection_rate", "false_positive_rate", "false_negative_rate"),
        *("skew_share", "skew_row_share", "refused_share", "unusual_share"),
    }
)
"""Figures that lie between 0 and 1: any other threshold always holds, or never."""
MONITORED = {
    "classification": (
        *("calibration_error", "excess_log_loss", "pooled_excess_loss", "positive_rate"),
        *("estimated_log_loss", "estimated_brier", "estimated_roc_auc"),
        *("selection_rate", "false_positive_rate", "false_negative_rate"),
    ),
    "multiclass": (
        *("calibration_error", "excess_log_loss", "pooled_excess_loss", "recall"),
        *("estimated_log_loss", "estimated_brier", "estimated_accuracy"),
    ),
    "regression": ("squared_error", "excess_squared_error", "pooled_excess_loss"),
}
"""By task: figures of monitoring beyond those that the gate compares."""
COUNTED = (
    *("rows", "labelled_share", "mean_prediction", "bias", "drifted_columns", "prediction_drift"),
    *("skew_share", "skew_row_share", "skewed_columns", "live_drift", "live_drifted_columns"),
    *("refused_share", "unusual_share"),
)
"""Figures of monitoring that every task has."""
GAP = "gap_"
"""What the name of a figure begins with that compares the groups of a column."""


class Event(StrEnum):
    """What the default rules look for."""

    DRIFT = "drift"
    PERFORMANCE = "performance"
    FAIRNESS = "fairness"
    SKEW = "skew"
    LIVE_DRIFT = "live_drift"
    REQUESTS_REFUSED = "requests_refused"
    REQUESTS_UNUSUAL = "requests_unusual"
    DATA_LATE = "data_late"
    LABELS_LATE = "labels_late"
    APPROVAL_WAITING = "approval_waiting"
    NIGHT_FAILED = "night_failed"
    TRAINING_FAILED = "training_failed"
    RELEASE_FAILED = "release_failed"
    ROLLED_BACK = "rolled_back"
    VERSION_DELETED = "version_deleted"
    DISK_NEARLY_FULL = "disk_nearly_full"


DEFAULTS: Mapping[Event, Severity] = {
    Event.DRIFT: "info",
    Event.PERFORMANCE: "warning",
    Event.FAIRNESS: "warning",
    Event.SKEW: "warning",
    Event.LIVE_DRIFT: "info",
    Event.REQUESTS_REFUSED: "warning",
    Event.REQUESTS_UNUSUAL: "warning",
    Event.DATA_LATE: "warning",
    Event.LABELS_LATE: "warning",
    Event.APPROVAL_WAITING: "info",
    Event.NIGHT_FAILED: "warning",
    Event.TRAINING_FAILED: "warning",
    Event.RELEASE_FAILED: "critical",
    Event.ROLLED_BACK: "warning",
    Event.VERSION_DELETED: "critical",
    Event.DISK_NEARLY_FULL: "critical",
}
"""How severe each event is, unless the file says otherwise."""


@dataclass(frozen=True)
class Threshold:
    """A parsed rule, such as `roc_auc < 0.6 for 3 days`."""

    figure: str
    comparison: str
    limit: float
    days: int
    unit: str | None = None

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Read a rule that has the form of `THRESHOLD`."""
        match = re.fullmatch(THRESHOLD, text)
        assert match is not None, text  # the file was checked against the same pattern
        return cls(match["figure"], match["comparison"], float(match["limit"]), int(match["days"] or 1), match["unit"])

    def broken_by(self, value: float) -> bool:
        """Whether a day with this value is one of those that the rule counts."""
        match self.comparison:
            case "<":
                return value < self.limit
            case "<=":
                return value <= self.limit
            case ">":
                return value > self.limit
            case _:
                return value >= self.limit


JSON_THRESHOLD = re.sub(r"\?P<[a-z]+>", "", THRESHOLD)
"""The same for JSON Schema, whose patterns have no names for groups."""


class ThresholdRule(Section):
    """A threshold on a figure. A file may write its `when` alone."""

    when: Annotated[str, StringConstraints(pattern=THRESHOLD)] = Field(
        json_schema_extra={"pattern": JSON_THRESHOLD},
        description="figure, comparison, number and days in a row, as `roc_auc < 0.6 for 3 days`",
    )
    severity: Severity = Field(default="warning", description="how severe it is")
    slice: str = Field(
        default="",
        max_length=200,
        description="a slice (`carrier=UA`), a column (with gap_ figures, skew_share, live_drift, refused_share and "
        "unusual_share), `requests` for predictions made online beside a batch; empty: all rows",
    )

    @model_validator(mode="before")
    @classmethod
    def _a_text_is_its_when(cls, given: Any) -> Any:
        return {"when": given} if isinstance(given, str) else given


class Channel(Section):
    """Where messages go: an Apprise URL, or an https:// address that gets JSON, held outside the file."""

    url_variable: Variable | None = Field(
        default=None, description="environment variable of the alerts service with the channel's URL"
    )
    airflow_variable: Annotated[str, StringConstraints(pattern=VARIABLE_KEY)] | None = Field(
        default=None, description="Airflow Variable with the channel's URL"
    )
    lowest_severity: Severity = Field(default="info", description="less severe messages are not sent to this channel")

    @model_validator(mode="after")
    def _one_place_holds_the_url(self) -> Channel:
        if (self.url_variable is None) == (self.airflow_variable is None):
            raise ValueError("expected either url_variable or airflow_variable: one place holds the channel's URL")
        return self

    @property
    def address(self) -> str:
        """Where the URL is held, in words; pipelines that name the same place share the channel."""
        if self.url_variable is not None:
            return f"environment variable {self.url_variable}"
        return f"Airflow Variable {self.airflow_variable}"

    def takes(self, severity: str) -> bool:
        """Whether messages of a severity are sent to this channel."""
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.lowest_severity)


def _is_a_time_zone(name: str) -> str:
    known = available_timezones()
    if name not in known:
        raise ValueError(f"expected a time zone such as Europe/Berlin or UTC{did_you_mean(name, known)}")
    return name


class QuietHours(Section):
    """A part of every day in which only critical messages are sent."""

    start: Annotated[str, StringConstraints(pattern=CLOCK)] = Field(description="first minute, as 22:00")
    end: Annotated[str, StringConstraints(pattern=CLOCK)] = Field(description="first minute after them, as 07:00")
    time_zone: Annotated[str, AfterValidator(_is_a_time_zone)] = Field(
        default="UTC", description="time zone of both, by its IANA name", examples=["Europe/Berlin"]
    )

    @model_validator(mode="after")
    def _they_end(self) -> QuietHours:
        if self.start == self.end:
            raise ValueError(f"start and end are both {self.start}: quiet hours must leave time to send in")
        return self

    def over(self, now: datetime) -> datetime:
        """When messages may be sent: `now` outside quiet hours, else their end.

        Args:
            now: a time with a time zone.
        """
        zone = ZoneInfo(self.time_zone)
        local = now.astimezone(zone)
        start, end = time.fromisoformat(self.start), time.fromisoformat(self.end)
        clock = local.time().replace(tzinfo=None)
        quiet = start <= clock < end if start < end else clock >= start or clock < end
        if not quiet:
            return now
        day = local.date() if clock < end else local.date() + timedelta(days=1)
        return datetime.combine(day, end, zone).astimezone(now.tzinfo)


def _rules_may_be_texts(schema: JsonDict) -> None:
    schema["items"] = {"anyOf": [{"type": "string", "pattern": JSON_THRESHOLD}, schema["items"]]}


class Alerts(Section):
    """Who is alerted, and about what."""

    channels: dict[Name, Channel] = Field(
        default_factory=dict,
        description="where messages go, by a name of your choice; without any, the ledger alone records incidents",
        examples=[{"team": {"url_variable": "SHOP_SLACK"}}],
    )
    rules: list[ThresholdRule] = Field(
        default_factory=list,
        json_schema_extra=_rules_may_be_texts,
        description="thresholds on figures of monitoring, beside the default rules",
        examples=[["roc_auc < 0.6 for 3 days"]],
    )
    events: dict[Event, Severity | Literal["ignore"]] = Field(
        default_factory=dict,
        description="severity of events of the default rules, where it differs from the default; ignore: no alert",
    )
    data_late_hours: float = Field(
        default=6, gt=0, le=720, description="a day that is not validated so long after its night was due is late"
    )
    labels_late_days: int = Field(
        default=3, ge=1, le=365, description="labels that are missing so many days after labels.delay_days are late"
    )
    quiet_hours: QuietHours | None = Field(
        default=None, description="when only critical messages are sent; the others wait for the end"
    )
    remind_after_hours: float | None = Field(
        default=24, gt=0, le=8784, description="an incident that is still open is sent again after so long; null: never"
    )

    def severity(self, event: Event) -> Severity | None:
        """How severe an event is; None where it is ignored."""
        declared = self.events.get(event, DEFAULTS[event])
        return None if declared == "ignore" else declared


def threshold_mistakes(alerts: Alerts, task: str, metrics: Sequence[str], compared: Sequence[str]) -> Iterator[Mistake]:
    """Rules that name no figure, or a limit that the figure always or never reaches.

    Args:
        alerts: the section.
        task: the pipeline's kind of label.
        metrics: figures that the gate can compare for this task.
        compared: figures that monitoring compares between groups.
    """
    figures = (*metrics, *MONITORED[task], *COUNTED)
    for position, rule in enumerate(alerts.rules):
        place: tuple[int | str, ...] = ("alerts", "rules", position)
        written, threshold = rule.when, Threshold.parse(rule.when)
        if threshold.figure.startswith(GAP):
            yield from _gap_mistakes(place, threshold, rule, (*compared, "mean_prediction", "bias"))
        elif threshold.figure not in figures:
            yield Mistake(
                place,
                f"found {written!r}",
                f"{threshold.figure} is no figure of {task_words(task)}; expected one of {', '.join(figures)}",
                did_you_mean(threshold.figure, figures),
            )
        if threshold.figure in BOUNDED and not 0 < threshold.limit < 1:
            yield Mistake(
                place,
                f"found {written!r}",
                f"{threshold.figure} lies between 0 and 1, so that this holds on every day or on none; expected a "
                "threshold in between, such as 0.85",
            )


def _gap_mistakes(
    place: tuple[int | str, ...], threshold: Threshold, rule: ThresholdRule, figures: Iterable[str]
) -> Iterator[Mistake]:
    gaps = [f"{GAP}{figure}" for figure in figures]
    if threshold.figure not in gaps:
        yield Mistake(
            place,
            f"found {threshold.figure!r}",
            f"expected one of {', '.join(gaps)}",
            did_you_mean(threshold.figure, gaps),
        )
    if not rule.slice:
        yield Mistake(
            place, f"found {threshold.figure!r}", "expected a slice with it: the column whose groups are compared"
        )
