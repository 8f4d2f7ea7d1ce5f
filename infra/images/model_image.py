"""The image of one model version: the image `serving` with its packaged model inside.

BentoML's own recipe (`bentoml containerize`) is not used. It installs packages from an index without hashes, and a
compiler with them, into an image of another base and user; this image answers by the very files that pods answer by.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.images import docker
from infra.pod.fetch import fetch
from infra.pod.lake import OPTIONS, URL, PodError, open_lake
from tidewheel.errors import PlatformError, ReleaseError
from tidewheel.release.artifact import predictions_apart

if TYPE_CHECKING:
    from infra.images.docker import EngineImage
    from tidewheel.settings import Settings

DOCKERFILE = Path(__file__).with_name("model.Dockerfile")
BUILD_SECONDS = 600.0
ANSWER_SECONDS = 120.0
SHORT = 12
"""Characters of a digest in a tag."""
CONFINED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")  # noqa: S108 - of the container
DOCKERS_OWN = 125
"""Exit code of `docker run` where no container ran."""
ANSWERS = """
import json
from bentos.service import Model
with open("contract.json", encoding="utf-8") as contract:
    rows = [golden["row"] for golden in json.load(contract)["golden_rows"]]
answer = Model.inner().predict(rows).model_dump()
by_class = answer.get("probabilities")
print(json.dumps([list(row.values()) for row in by_class] if by_class else answer["predictions"]))
"""
"""Run in the image: what the model predicts for its golden rows. Only uses what each Bento has, an older one too."""


@dataclass(frozen=True)
class PackagedModel:
    """A model version that was packaged and published to the lake.

    Attributes:
        pipeline: name of the pipeline.
        version: in the registry.
        content_hash: of its Bento.
        tolerance: by how much its answers may differ from its golden rows, see `release.parity_tolerance`.
    """

    pipeline: str
    version: str
    content_hash: str
    tolerance: float


@dataclass(frozen=True)
class ModelImage:
    """An image in Docker's engine.

    Attributes:
        name: with its tag, which names this content for ever.
        size: bytes.
        base_size: bytes of it that are those of the image `serving`.
        seconds: that building took; 0 where it was there.
    """

    name: str
    size: int
    base_size: int
    seconds: float


def build(settings: Settings, model: PackagedModel, repository: str = "") -> ModelImage:
    """Build the image of a model version, unless the engine has it.

    It gets its name once it has answered its golden rows.

    Args:
        settings: of the installation; `serving_image` is what it is built on.
        model: what is put into it.
        repository: name of the image without its tag; default: `tidewheel/` and the pipeline's name.

    Raises:
        SettingsError: there is no Docker on this machine.
        PlatformError: its daemon does not answer, or cannot build.
        ReleaseError: the lake has not the model, or the model does not answer in this image.
    """
    docker.check_daemon()
    base = _serving_image(settings.serving_image)
    tag = f"{model.version}-{model.content_hash[:SHORT]}-{base.digest[:SHORT]}"
    name = f"{repository or _repository(model.pipeline)}:{tag}"
    if image := docker.image(name):
        return ModelImage(name, image.size, base.size, 0.0)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tidewheel-image-") as folder:
        _fetch(settings, model, Path(folder) / "bento")
        built = _build(settings.serving_image, model, Path(folder))
        _check_answers(built, model, Path(folder) / "bento", settings.serving_image)
    docker.run("tag", built, name)
    image = docker.image(name)
    if image is None:
        raise PlatformError(f"Docker has removed {name} while it was being built; build it again")
    return ModelImage(name, image.size, base.size, time.monotonic() - began)


def _repository(pipeline: str) -> str:
    # A pipeline's name may end in `_` and have several in a row; Docker refuses both.
    return f"tidewheel/{re.sub('_+', '_', pipeline).strip('_')}"


def _serving_image(name: str) -> EngineImage:
    """The image that a model's own is built on, pulled where the engine has it not."""
    if image := docker.image(name):
        return image
    try:
        docker.run("pull", "--quiet", name, seconds=BUILD_SECONDS)
    except docker.DockerFailed as failed:
        raise PlatformError(
            f"Docker has no image {name}, and cannot pull it: {failed.said.splitlines()[-1]}; build it from this "
            f"repository (`docker build -f infra/images/Dockerfile --target serving -t {name} .`), or name another "
            "one in TIDEWHEEL_SERVING_IMAGE"
        ) from failed
    image = docker.image(name)
    if image is None:
        raise PlatformError(f"Docker has pulled {name} and does not have it; try again")
    return image


def _fetch(settings: Settings, model: PackagedModel, folder: Path) -> None:
    lake = {URL: settings.lake_root, OPTIONS: json.dumps(settings.lake_options)}
    try:
        fetch(open_lake(lake), model.pipeline, model.content_hash, folder, patience=0)
    except PodError as error:
        raise ReleaseError(f"version {model.version} of {model.pipeline}: {error}") from error
    for path in (folder, *folder.rglob("*")):  # another user than this one reads them in the image
        path.chmod(0o755 if path.is_dir() else 0o644)


def _build(serving: str, model: PackagedModel, folder: Path) -> str:
    """Build what lies in a folder; returns the image's id."""
    labels = {
        "tidewheel.pipeline": model.pipeline,
        "tidewheel.version": model.version,
        "tidewheel.content-hash": model.content_hash,
        "org.opencontainers.image.title": model.pipeline,
        "org.opencontainers.image.version": model.version,
        "org.opencontainers.image.base.name": serving,
    }
    written = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    iid = folder / "iid"
    options = ("--build-arg", f"SERVING={serving}", *written, "--iidfile", str(iid), "--file", str(DOCKERFILE))
    docker.run("build", *options, str(folder), seconds=BUILD_SECONDS)
    return iid.read_text(encoding="utf-8").strip()


def _check_answers(built: str, model: PackagedModel, bento: Path, serving: str) -> None:
    """See that the image answers the golden rows as the model did where it was trained."""
    contract = json.loads((bento / "contract.json").read_text(encoding="utf-8"))
    expected = [golden["prediction"] for golden in contract["golden_rows"]]
    command = ("run", "--rm", "--network", "none", *CONFINED, built, "python", "-c", ANSWERS)
    try:
        answered = json.loads(docker.run(*command, seconds=ANSWER_SECONDS).splitlines()[-1])
    except docker.DockerFailed as failed:
        if failed.code == DOCKERS_OWN:
            raise
        raise ReleaseError(
            f"version {model.version} of {model.pipeline} does not answer in the image {serving}: "
            f"{failed.said.splitlines()[-1]}; a package that the model needs goes into the extra `serving` of "
            "pyproject.toml (then `make lock`, and build that image again)"
        ) from failed
    apart = [predictions_apart(found, right) for found, right in zip(answered, expected, strict=True)]
    if not all(difference <= model.tolerance for difference in apart):  # NaN is a difference too
        raise ReleaseError(
            f"version {model.version} of {model.pipeline} answers otherwise in the image {serving} than where it was "
            f"trained: golden rows apart by {max(apart):.2g}, allowed are {model.tolerance:g}; build that image again "
            "from the requirements.lock of this installation"
        )
