"""Building the Bento of a registered version: compile, put contract and code beside it, `bentoml build`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

import bentos
from bentos.contract import CONTRACT
from bentos.explainer import NOTHING, pack
from bentos.packaged import EXPLANATION, FACTS, MODEL
from jobs.models import registry
from jobs.models.lineage import installed
from jobs.models.portable import distributions_of
from tidewheel.errors import ReleaseError
from tidewheel.home_cleanup import mark_used
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.release.artifact import Artifact, content_hash

if TYPE_CHECKING:
    from bentos.contract import Contract
    from jobs.models.prediction import FittedModel
    from jobs.packaging.compile import CompiledModel
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

CODE = Path(bentos.__file__).parent
BUILD_SECONDS = 300
COMPILERS = ("catboost_trees.py", "compile.py", "explanation.py", "lightgbm_trees.py", "net_onnx.py", "trees.py")
PACKAGES = {
    "": (
        *("bentoml", "numpy", "prometheus-client", "pyarrow", "pydantic", "starlette", "uvicorn"),
        *("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"),
    ),
    "onnx": ("onnxruntime",),
    "treelite": ("treelite",),
    "native": ("cloudpickle", "pandas", "scikit-learn", "xgboost-cpu", "xgboost"),
}


@dataclass(frozen=True)
class BuiltBento:
    """A Bento in the store.

    Attributes:
        artifact: what the release works with.
        model_format: form of the compiled model.
        max_difference: largest difference of the compiled model from the offline one.
        milliseconds: median time of one row.
        seconds: how long the build took, 0 where the Bento was there.
        reused: whether it was there.
        refused_forms: forms that were tried and could not be taken, with the reason.
        measured_forms: median milliseconds of one row of each form that could predict.
    """

    artifact: Artifact
    model_format: str
    max_difference: float
    milliseconds: float
    seconds: float
    reused: bool
    refused_forms: dict[str, str]
    measured_forms: dict[str, float]


@dataclass(frozen=True)
class ModelFiles:
    """The compiled model and its explanation, as a service opens them.

    Attributes:
        format: form of the compiled model.
        model: in that form.
        explanation: what explains its predictions, as `jobs.packaging.explanation` makes it.
    """

    format: str
    model: bytes
    explanation: bytes = pack(NOTHING)


def bento_of(settings: Settings, pipeline: Pipeline, version: str) -> BuiltBento:
    """The Bento of a registered version: the one that is there, or a new one.

    Raises:
        Untrusted: the ledger knows no such version, or its files are not those that were registered.
        ReleaseError: the build fails.
    """
    store = BentoStore(settings.bento_folder)
    registered = registry.trained_version(settings, pipeline.name, version)
    origin, before = registered.mlflow_run, registered.bento
    tag = _tag_version(pipeline, version, origin)
    built_before = before if before.get("tag") == tag else {}
    stored = store.find(pipeline, version, origin)
    # Labels and files lie beside each other: what is started is what the ledger saw being built.
    if stored is not None and stored.artifact.content_hash == built_before.get("content_hash"):
        return stored
    # A version keeps the contract that it was registered with, and a pipeline may have been renamed since.
    contract = registry.contract(settings, pipeline.name, version).model_copy(update={"pipeline": pipeline.name})
    model = registry.load_model(settings, pipeline.name, version)
    built = store.build(pipeline, version, origin, contract, model, built_before.get("form", ""))
    bento = {"tag": tag, "form": built.model_format, "content_hash": built.artifact.content_hash}
    Models(Ledger.open(settings)).keep_bento(registered, bento)
    registry.tag_version(settings, registered, {registry.FORM: f"{tag} {built.model_format}"})
    return built


class BentoStore:
    """The Bentos of an installation.

    Args:
        home: `<TIDEWHEEL_HOME>/bentos`, what BentoML calls its home.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    def find(self, pipeline: Pipeline, version: str, origin: str) -> BuiltBento | None:
        """The Bento that was built from the same things, whole as it was built; None where there is none.

        Args:
            pipeline: as declared now.
            version: in the registry.
            origin: names what the registry calls this version, uniquely over registries: its MLflow run.
        """
        folder = self._folder(pipeline.name, _tag_version(pipeline, version, origin))
        if not (folder / "bento.yaml").exists():
            return None
        mark_used(folder)
        labels = YAML(typ="safe").load(folder / "bento.yaml")["labels"]
        if content_hash(folder / "src") != labels["content_hash"]:
            return None
        return _built(folder, version, labels, seconds=0.0, reused=True)

    def build(
        self, pipeline: Pipeline, version: str, origin: str, contract: Contract, model: FittedModel, form: str = ""
    ) -> BuiltBento:
        """Compile a model and build its Bento, replacing a broken one.

        Args:
            pipeline: as declared now.
            version: in the registry.
            origin: as `find` takes it.
            contract: of the version.
            model: of the version.
            form: which form it was compiled to when this Bento was built before, empty where it never was.

        Raises:
            ReleaseError: BentoML refuses; the message ends with what it said.
        """
        from jobs.packaging.compile import comparison_frame, compile_model
        from jobs.packaging.explanation import explanation_of

        started = time.monotonic()
        tolerance, frame = pipeline.release.parity_tolerance, comparison_frame(contract)
        compiled = compile_model(model, contract, frame, tolerance, form)
        single = compiled.format == "onnx"
        explanation = explanation_of(model, contract, frame, tolerance, single_precision=single)
        tag_version = _tag_version(pipeline, version, origin)
        folder = self._folder(pipeline.name, tag_version)
        shutil.rmtree(folder, ignore_errors=True)
        self.home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="tidewheel-bento-") as context:
            files = ModelFiles(compiled.format, compiled.content, explanation)
            write_service(Path(context), pipeline, version, contract, files)
            origins = {"pipeline": pipeline.name, "mlflow_version": version, "mlflow_run": origin}
            labels = origins | _labels(Path(context), compiled)
            _write_bentofile(Path(context), labels, compiled)
            self._run_build(Path(context), tag_version)
        return _built(folder, version, labels, seconds=time.monotonic() - started, reused=False)

    def _folder(self, name: str, tag_version: str) -> Path:
        return self.home / "bentos" / name / tag_version

    def _run_build(self, context: Path, tag_version: str) -> None:
        command = [sys.executable, "-m", "bentoml", "build", ".", "--version", tag_version]
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
        environment |= {"BENTOML_HOME": str(self.home), "BENTOML_DO_NOT_TRACK": "True"}
        # A process of its own: the build imports the service, and our own `bentos` must not be in its way.
        done = subprocess.run(  # noqa: S603
            command, cwd=context, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise ReleaseError(f"`bentoml build` failed with exit code {done.returncode}:\n{said}")


def service_facts(pipeline: Pipeline, version: str) -> dict[str, Any]:
    """What the service must know beyond the contract."""
    return {
        "description": pipeline.description,
        "version": version,
        "maximum_rows": pipeline.serving.maximum_rows,
        "unknown_categories": pipeline.serving.unknown_categories,
        "log_sample": pipeline.serving.log_sample,
        "key": pipeline.key,
    }


def write_service(folder: Path, pipeline: Pipeline, version: str, contract: Contract, files: ModelFiles) -> None:
    """Write what the service opens: its code, contract, facts and model.

    Args:
        folder: an empty folder.
        pipeline: as declared now.
        version: in the registry.
        contract: of the version.
        files: the compiled model and its explanation.
    """
    shutil.copytree(CODE, folder / CODE.name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / CONTRACT).write_text(contract.model_dump_json(indent=1), encoding="utf-8")
    facts = service_facts(pipeline, version) | {"format": files.format}
    (folder / FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True), encoding="utf-8")
    (folder / MODEL).write_bytes(files.model)
    (folder / EXPLANATION).write_bytes(files.explanation)


def _tag_version(pipeline: Pipeline, version: str, origin: str) -> str:
    """Version of the Bento's tag: the model's, and a digest of everything the Bento is made from."""
    made_from = {
        "origin": origin,
        "facts": service_facts(pipeline, version),
        "tolerance": pipeline.release.parity_tolerance,
        "packages": installed(name for names in PACKAGES.values() for name in names),
        "compiler": installed(("skl2onnx", "onnx")),
        "code": content_hash(CODE.parent, (CODE.name,)),
        "compiled_by": [hashlib.sha256(Path(__file__).with_name(name).read_bytes()).hexdigest() for name in COMPILERS],
    }
    digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
    return f"{version}-{digest[:12]}"


def _labels(context: Path, compiled: CompiledModel) -> dict[str, str]:
    """What the Bento's labels say of its content and of how it was compiled."""
    return {
        "model_digest": hashlib.sha256(compiled.content).hexdigest(),
        "content_hash": content_hash(context),
        "model_format": compiled.format,
        "max_difference": repr(compiled.max_difference),
        "milliseconds": f"{compiled.milliseconds:.4f}",
        **{f"refused_{c.format}": c.refused for c in compiled.candidates if c.refused},
        **{f"milliseconds_{c.format}": f"{c.milliseconds:.4f}" for c in compiled.candidates if c.content},
    }


def _write_bentofile(context: Path, labels: dict[str, str], compiled: CompiledModel) -> None:
    """Write what `bentoml build` packs and which packages the Bento needs."""
    needed = distributions_of(compiled.content) if compiled.format == "native" else []
    packages = installed(dict.fromkeys([*PACKAGES[""], *PACKAGES[compiled.format], *needed]))
    bentofile = {
        "service": "bentos.service:Model",
        "labels": labels,
        "include": [f"{CODE.name}/*", CONTRACT, FACTS, MODEL, EXPLANATION],
        # Exact versions of this environment, so that nothing is resolved over the network.
        "python": {"lock_packages": False, "packages": [f"{name}=={version}" for name, version in packages.items()]},
    }
    YAML().dump(bentofile, context / "bentofile.yaml")


def _built(folder: Path, version: str, labels: dict[str, str], *, seconds: float, reused: bool) -> BuiltBento:
    return BuiltBento(
        artifact=Artifact(
            version=version,
            tag=f"{folder.parent.name}:{folder.name}",
            path=str(folder / "src"),
            content_hash=labels["content_hash"],
        ),
        model_format=labels["model_format"],
        max_difference=float(labels["max_difference"]),
        milliseconds=float(labels["milliseconds"]),
        seconds=round(seconds, 3),
        reused=reused,
        refused_forms=_by_form(labels, "refused_"),
        measured_forms={form: float(value) for form, value in _by_form(labels, "milliseconds_").items()},
    )


def _by_form(labels: dict[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in labels.items() if name.startswith(prefix)}
