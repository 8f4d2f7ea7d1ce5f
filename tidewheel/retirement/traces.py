"""What there is of a pipeline besides its file: deleting or renaming the file alone leaves all of it behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.release.stages import Colour
from tidewheel.retirement.mlflow_models import MlflowModels
from tidewheel.spec import pipeline_files

if TYPE_CHECKING:
    from pathlib import Path

    from tidewheel.release.backend import Backend
    from tidewheel.settings import Settings


@dataclass(frozen=True)
class Traces:
    """What there is of a pipeline.

    Attributes:
        pipeline: its name.
        files: of its declaration, below dags/.
        live: version that answers, by the ledger; None where none does.
        started: versions that run, by colour.
        days: published days of features.
        lake_bytes: of everything below the pipeline's folder in the lake.
        request_bytes: of logged requests that are not published yet.
        versions: registered in MLflow.
        retired: whether it was retired before, perhaps not to the end.
    """

    pipeline: str
    files: tuple[Path, ...]
    live: str | None
    started: dict[Colour, str]
    days: int
    lake_bytes: int
    request_bytes: int
    versions: tuple[str, ...]
    retired: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything."""
        found = (self.files, self.live, self.started, self.lake_bytes, self.request_bytes, self.versions, self.retired)
        return any(found)


def traces(settings: Settings, pipeline: str, backend: Backend) -> Traces:
    """Look for a pipeline everywhere.

    Raises:
        LedgerError: the ledger cannot be reached.
        RegistryError: MLflow cannot be reached.
    """
    endpoint = Releases(Ledger.open(settings, patience_seconds=0)).endpoint(pipeline)
    lake = Lake.open(pipeline, settings)
    return Traces(
        pipeline=pipeline,
        files=tuple(declaration(settings, pipeline)),
        live=endpoint.version if endpoint else None,
        started={colour: version for colour in Colour if (version := backend.version(colour)) is not None},
        days=len(lake.partitions("features")),
        lake_bytes=sum(size for _, size, _ in lake.store.find_details(pipeline)),
        request_bytes=sum(f.stat().st_size for f in (settings.request_log_folder / pipeline).rglob("*") if f.is_file()),
        versions=tuple(MlflowModels(settings).versions(pipeline)),
        retired=kept_declaration(settings, pipeline).exists(),
    )


def declaration(settings: Settings, pipeline: str) -> list[Path]:
    """The files that make a pipeline run, as far as they are there; the one that Airflow reads first."""
    folder = settings.pipelines_folder
    return [path for path in (folder / f"{pipeline}.py", folder / f"{pipeline}.yaml") if path.exists()]


def kept_declaration(settings: Settings, pipeline: str) -> Path:
    """Folder that a retired pipeline's files are moved to."""
    return settings.home / "retired" / pipeline


def undeclared(settings: Settings, serving: list[str]) -> list[str]:
    """Pipelines that answer callers and have no file any more.

    Args:
        settings: say where the files are.
        serving: names of the pipelines that have an endpoint.
    """
    declared = {file.stem for file in pipeline_files(settings.pipelines_folder)}
    return sorted(set(serving) - declared)


def undeclared_sentence(pipeline: str) -> str:
    """What to say of one of them."""
    return (
        f"endpoint of a pipeline that is no longer declared: {pipeline} answers callers and has no file in dags/; "
        f"run `tidewheel retire {pipeline}`, or put the file back"
    )
