"""Plays one day of a pipeline from its source to a prediction, by the jobs themselves, in a lake that is thrown away.

Not a job: `python -m jobs.checking.day NAME --day D` is what `tidewheel validate NAME --day D` starts. It prints a line
for each step, then what is wrong, and ends with 0, 2 (a declaration is wrong), 3 (data is refused) or 1 (the source has
no such day yet).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa

from bentos.outputs import Outputs
from jobs import features, land, validate
from jobs.checking.finding import reason
from jobs.checking.known_labels import labels_of_rows
from jobs.checking.leaks import leaking
from jobs.checking.look_back import look_back
from jobs.checking.model import quick_training
from jobs.checking.played import CheckedDay
from jobs.checking.scratch import carried_out, scratch_settings
from jobs.checking.source import require_day
from jobs.data.feature_inputs import label_columns, label_sentence
from jobs.job import Job, OptionsT, Result
from jobs.models.prediction import model_frame, predict
from jobs.models.row_weights import at, weights_of
from jobs.training.class_weights import fit_weights
from jobs.training.fitting import FitRows, fit
from tidewheel.errors import DataRefused, SourceError, TidewheelError, UsageError
from tidewheel.lake import Lake
from tidewheel.options import FeaturesOptions, LandOptions, ScoreOptions, ValidateOptions, ValidationStage
from tidewheel.partitions import PartitionRange
from tidewheel.quantities import quantity
from tidewheel.runs import SKIPPED
from tidewheel.settings import Settings, load_settings
from tidewheel.spec import Pipeline, find_pipeline

if TYPE_CHECKING:
    import pandas as pd

    from jobs.models.prediction import Array
    from tidewheel.lake import Manifest

T = TypeVar("T")
MOST_ROWS = 5_000
RUN_ID = "validate"


class _Stop(Exception):
    """The day ends here."""


def play_day(pipeline: Pipeline, settings: Settings, day: date, tell: Callable[[str], None]) -> CheckedDay:
    """Play a day; the lake, the ledger and the registry stay as they are.

    Args:
        pipeline: its declaration.
        settings: of the project.
        day: read from the source, whether it is published already or not.
        tell: gets a line for each step.

    Raises:
        UsageError: the source never has such a day.
    """
    require_day(pipeline, day)
    played = CheckedDay()
    with scratch_settings(settings) as scratch:
        if day >= datetime.now(UTC).date():
            played.doubtful.append(f"{day} is not over (UTC): the source may have a part of it")
        with contextlib.suppress(_Stop):
            _Day(pipeline, settings, scratch, day, tell, played).play()
    return played


@dataclass
class _Day:
    """One day as it is played."""

    pipeline: Pipeline
    settings: Settings
    scratch: Settings
    day: date
    tell: Callable[[str], None]
    played: CheckedDay

    def __post_init__(self) -> None:
        self.lake = Lake.open(self.pipeline.name, self.scratch)

    def play(self) -> None:
        """Every step that can be played."""
        self._look_back()
        landed = self._land()
        self._judge(ValidationStage.RAW, [m for m in landed.outputs if m.dataset == "landing"])
        made = self._features()
        self._judge(ValidationStage.FEATURES, list(made.outputs))
        self._model(list(made.outputs))

    def _job(self, options: OptionsT, day: date | None = None, run_id: str = RUN_ID) -> Job[OptionsT]:
        day = day or self.day
        return Job(
            name=options.record,
            pipeline=self.pipeline,
            partitions=PartitionRange(day, day, self.pipeline.partition),
            run_id=run_id,
            settings=self.scratch,
            lake=self.lake,
            options=options,
            code_version="",
        )

    def _landing_job(self, day: date, run_id: str = RUN_ID) -> Job[LandOptions]:
        """A job that lands a day's rows and the labels of these very rows, where the source has them already."""
        at_once = self.pipeline.labels.model_copy(update={"delay_days": 0})
        job = self._job(LandOptions(unfinished=True), day, run_id)  # nothing is published
        return replace(job, pipeline=self.pipeline.model_copy(update={"labels": at_once}))

    def _look_back(self) -> None:
        """The days before, as far as they are there."""
        real = Lake.open(self.pipeline.name, self.settings)
        differences = look_back(self.pipeline, real, self.lake, self.day, self._read_before, self.tell)
        if differences is not None:
            self.tell(differences.sentence)
            self.played.doubtful.extend(differences.unreadable)

    def _read_before(self, day: date) -> str:
        """Why a day of the look-back is not there; empty where it is, now."""
        try:
            result = land.work(self._landing_job(day, f"{RUN_ID}-{day}"))
        except TidewheelError as error:
            return str(error)
        except Exception as error:  # a team's reader may raise anything
            return reason(error)
        for manifest in result.outputs:
            self.lake.publish(manifest)
        return result.refused or ("" if result.outputs else result.sentence)

    def _land(self) -> Result:
        result = self._step("source", lambda: carried_out(self._landing_job(self.day), land.work))
        if result.refused:
            self._refuse("source", result.refused)
            raise _Stop
        if result.figures.get(SKIPPED):
            self.played.absent = result.sentence
            raise _Stop
        labels = [m for m in result.outputs if m.dataset == "labels"]
        known = (
            f"{quantity(sum(m.rows for m in labels), 'label')} of them" if labels else "their labels are not known yet"
        )
        self.tell(f"source: {result.figures['rows']} rows, {known}; key, event time and label are in order")
        rows = next(m for m in result.outputs if m.dataset == "landing")
        if held := label_columns(rows.columns, self.pipeline):
            self.played.doubtful.append(label_sentence(held))
        return result

    def _features(self) -> Result:
        result = self._step("features", lambda: carried_out(self._job(FeaturesOptions()), features.work))
        if result.refused:
            self._refuse("features", result.refused)
            raise _Stop
        self.tell(f"features: {result.sentence}")
        return result

    def _judge(self, stage: ValidationStage, manifests: list[Manifest]) -> None:
        """Hold what a job has made against its suites; what breaks them is published here all the same, to go on."""
        job = self._job(ValidateOptions(stage=stage))
        result = self._step(stage, lambda: carried_out(job, validate.work))
        if result.refused:
            self._refuse(f"expectations of {stage}", result.refused)
        else:
            self.tell(f"expectations of {stage}: all rules hold")
        self.played.doubtful.extend(self._not_computed(manifests))
        for manifest in manifests:
            self.lake.publish(manifest)

    def _not_computed(self, manifests: list[Manifest]) -> list[str]:
        """Rules that refuse nothing and could not be computed, from the reports that `validate` leaves."""
        sentences = []
        for manifest in manifests:
            path = f"{manifest.pipeline}/reports/{manifest.partition}/validation-{manifest.dataset}.json"
            for one in json.loads(self.lake.store.read(path) or b"{}").get("findings", ()):
                if not (one["passed"] or one["critical"] or one["computed"]):
                    sentences.append(
                        f"{manifest.dataset}: {one['rule']} of {', '.join(one['columns'])}: {one['found']}"
                    )
        return sentences

    def _model(self, made: list[Manifest]) -> None:
        """Fit the declared model to the day's rows and ask it for some; look for features that know the label."""
        pipeline = self.pipeline
        rows = self._step("model", lambda: self.lake.read_all(made).to_pandas())
        frame = self._step("model", lambda: model_frame(rows, pipeline.features))
        labels = self._step("labels", lambda: labels_of_rows(self.lake, pipeline, self.day, rows))
        if labels.objection:
            self._refuse("labels", labels.objection)
        labelled = np.isfinite(labels.truth)
        learned, truth = frame[labelled], labels.truth[labelled]
        if labels.are_real:
            self.played.doubtful.extend(
                f"feature {name!r} tells the label of all {len(truth)} rows of {self.day}: was it made from it?"
                for name in leaking(learned, truth, pipeline.task)
            )

        def fitted() -> Array:
            training, of_rows = quick_training(pipeline.training), at(weights_of(rows, pipeline), labelled)
            few, known = learned[:MOST_ROWS], truth[:MOST_ROWS]
            weights = fit_weights(pipeline, known, at(of_rows, slice(0, MOST_ROWS)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = fit(training, pipeline.features, pipeline.task, FitRows(few, known, weights)).model
                return predict(model, frame, pipeline.task)

        answers = self._step("model", fitted)
        of_what = "their labels" if labels.are_real else "made-up labels"
        learned_from = min(len(truth), MOST_ROWS)
        self.tell(
            f"model: fitted to {quantity(learned_from, 'row')} with {of_what}; requested {len(frame)} predictions"
        )
        self._predictions(rows, answers)
        self._enough(len(rows))

    def _predictions(self, rows: pd.DataFrame, answers: Array) -> None:
        """The suite of predictions over a model of one day: what it breaks may be that model's fault."""
        identifying = rows[[*self.pipeline.key, self.pipeline.source.event_time]]
        table = pa.Table.from_pandas(identifying.assign(model_version="0"), preserve_index=False)
        outputs = Outputs(tuple(self.pipeline.labels.classes))
        for field, values in zip(outputs.fields, outputs.arrays(answers), strict=True):
            table = table.append_column(field, values)
        staged = self.lake.write_table("predictions", str(self.day), table.replace_schema_metadata(), {}, "")
        carried_out(self._job(ScoreOptions()), lambda job: Result(outputs=[staged]))
        job = self._job(ValidateOptions(stage=ValidationStage.PREDICTIONS))
        result = self._step("predictions", lambda: carried_out(job, validate.work))
        if result.refused:
            self.played.doubtful.append(f"predictions of a model of this day alone: {result.refused}")
        else:
            self.tell("expectations of predictions: all rules hold")

    def _enough(self, rows: int) -> None:
        training = self.pipeline.training
        if training.window_days is not None and rows * training.window_days < training.minimum_rows / 2:
            self.played.doubtful.append(
                f"training.window_days: {training.window_days} days of some {rows} rows are about "
                f"{rows * training.window_days:,}, training.minimum_rows requires {training.minimum_rows:,}"
            )

    def _step(self, name: str, work: Callable[[], T]) -> T:
        """Do a step; whatever ends it is noted, and the day with it."""
        try:
            return work()
        except SourceError as error:
            self.played.absent = str(error)
        except DataRefused as error:
            self._refuse(name, str(error))
        except UsageError as error:
            self._mistake(name, str(error))
        except TidewheelError as error:
            self._refuse(name, str(error))
        except (Exception, SystemExit) as error:  # a team's code may raise anything, and so may Spark
            self._mistake(name, reason(error))
        raise _Stop

    def _refuse(self, step: str, sentence: str) -> None:
        self.tell(f"{step}: refused")
        self.played.refused.append(f"{step}: {sentence}")

    def _mistake(self, step: str, sentence: str) -> None:
        self.tell(f"{step}: wrong")
        self.played.wrong.append(f"{step}: {sentence}")


def main() -> None:
    """Play a day, print what is wrong, and end with the exit code of it."""
    parser = argparse.ArgumentParser(prog="python -m jobs.checking.day", description=(main.__doc__ or "").strip())
    parser.add_argument("pipeline")
    parser.add_argument("--day", required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    started = time.monotonic()

    def tell(line: str) -> None:
        sys.stdout.write(f"       {line} ({time.monotonic() - started:.1f} s)\n")
        sys.stdout.flush()

    try:
        settings = load_settings()
        pipeline = find_pipeline(settings.pipelines_folder, options.pipeline)
        # Of a day of an hourly pipeline the last hour: with it the labels are landed.
        day = PartitionRange.parse(options.day).by(pipeline.partition).last
        played = play_day(pipeline, settings, day, tell)
    except TidewheelError as error:
        sys.stdout.write(f"wrong  {options.pipeline} on {options.day}: {error}\n")
        sys.exit(error.exit_code)
    sys.stdout.write("".join(f"{line}\n" for line in played.lines(f"{pipeline.name} on {options.day}")))
    sys.exit(played.exit_code)


if __name__ == "__main__":
    main()
