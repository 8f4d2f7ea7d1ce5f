"""`tidewheel image build`: a model version as a container image of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.filesize import decimal

from tidewheel.errors import UsageError, did_you_mean
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tidewheel.ledger.models import Models

image = typer.Typer(name="image", help="Container images of single models.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands about images to the command line."""
    app.add_typer(image, rich_help_panel="Models")


@image.callback()
def _images() -> None:
    """A model as an image answers wherever containers run: no lake, ledger or registry is needed there."""


@image.command()
def build(
    name: Annotated[str, typer.Argument(help="name of the pipeline")],
    *,
    version: Annotated[str, typer.Option(help="registered model version; default: the champion")] = "",
    repository: Annotated[
        str, typer.Option(help="name of the image without its tag; default: tidewheel/<pipeline>")
    ] = "",
) -> None:
    """Build the image of a version: the image `serving` with the packaged model inside, in Docker's engine.

    The tag holds the version, the digest of its Bento and that of the image `serving` (TIDEWHEEL_SERVING_IMAGE), so
    that it names the same content for ever. The image gets it after it has answered its golden rows.
    """
    from infra.images.model_image import PackagedModel
    from infra.images.model_image import build as build_image
    from tidewheel.ledger import Ledger
    from tidewheel.ledger.models import Models

    settings = load_settings()
    pipeline = find_pipeline(settings.pipelines_folder, name)
    models = Models(Ledger.open(settings, patience_seconds=0))
    number = version or _champion(models, name)
    model = PackagedModel(name, number, _content_hash(models, name, number), pipeline.release.parity_tolerance)
    made = build_image(settings, model, repository)
    how = f"built in {made.seconds:.1f} s" if made.seconds else "was there already"
    console = Console(highlight=False, soft_wrap=True)
    console.print(made.name, markup=False)
    size = f"{decimal(made.size)}, {decimal(made.size - made.base_size)} of it beside {settings.serving_image}"
    uses = {
        how: size,
        "run it": f"docker run --read-only --tmpfs /tmp --cap-drop ALL -p 127.0.0.1:3000:3000 {made.name}",
        "to a node": f"docker save {made.name} | ctr --namespace k8s.io images import -",
        "to a registry": f"docker push {made.name}" if repository else "build it with --repository, then docker push",
    }
    for what, command in uses.items():
        console.print(f"  {what:<17} {command}", markup=False)


def _champion(models: Models, name: str) -> str:
    promotion = models.promotion(name)
    if promotion is None:
        raise UsageError(f"{name} has no champion: name a --version, or train and promote one")
    return promotion.version


def _content_hash(models: Models, name: str, version: str) -> str:
    """Digest of the Bento that was built of a version."""
    row = models.get(name, version)
    if row is None:
        known = [each.version or "" for each in models.all(name)]
        raise UsageError(
            f"{name} has no version {version!r}{did_you_mean(version, known)}; the ledger has: "
            f"{', '.join(known) or 'none yet, train one'}"
        )
    if not row.bento.get("content_hash"):
        job = f"python -m jobs.package --pipeline {name} --partition {row.as_of} --run-id by_hand --version {version}"
        raise UsageError(
            f"no Bento of {name} version {version} was built yet; `tidewheel release {name} --version {version}` "
            f"builds and releases it, `{job}` only builds it"
        )
    return str(row.bento["content_hash"])
