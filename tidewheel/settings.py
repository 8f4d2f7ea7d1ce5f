"""Where things are on this machine: `TIDEWHEEL_*` variables over `<home>/platform.env` over defaults.

`tidewheel up` writes `platform.env` (readable by its owner only) with the addresses and passwords
of the embedded services, so that every command and every job finds them. To use an external service instead,
set its variable.
"""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tidewheel.errors import SettingsError
from tidewheel.project import code_folder, is_project, no_project

PLATFORM_ENV = "platform.env"
HOME = ".tidewheel"
LAKE_SECRETS = frozenset({"key", "secret", "token", "password"})
"""Options of fsspec's file systems that are secret."""
GO_ELSEWHERE = "go to a folder that is there"


def _json_object(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        document = json.loads(given)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004  what pydantic takes; the value may be a password
    return document


def _lower_case(given: object) -> object:
    return given.lower() if isinstance(given, str) else given


def _password_of(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:  # what it is instead is said where it is used
        return ""


class Settings(BaseSettings):
    """Everything that differs between one installation and the next."""

    model_config = SettingsConfigDict(env_prefix="TIDEWHEEL_", extra="ignore", frozen=True)

    home: Path = Field(default=Path(HOME), description="folder of all state of this installation")
    project: Path = Field(default=Path(), description="folder that holds dags/, expectations/ and pipelines/")
    lake_url: str = Field(default="", description="root of the lake, file:// or s3://; default <home>/lake")
    lake_options: Annotated[dict[str, object], NoDecode, BeforeValidator(_json_object)] = Field(
        default_factory=dict, repr=False, description="fsspec options of the lake, as JSON (endpoint_url, key, secret)"
    )
    database_url: SecretStr | None = Field(default=None, description="SQLAlchemy URL of the ledger")
    mlflow_url: str = Field(default="", description="MLflow tracking and registry server")
    mlflow_username: str = Field(default="", description="MLflow user, where the server requires a login")
    mlflow_password: SecretStr | None = Field(default=None, description="password of the MLflow user")
    airflow_url: str = Field(default="", description="Airflow's API server")
    airflow_public_url: str = Field(
        default="", description="Airflow's address as a browser knows it; default airflow_url"
    )
    airflow_username: str = Field(default="admin", description="Airflow user the command line acts as")
    airflow_password: SecretStr | None = Field(default=None, description="password of the Airflow user")
    endpoint_url: str = Field(default="", description="the router in front of the model services")
    endpoint_host: str = Field(
        default="127.0.0.1", description="address the embedded router listens on; 0.0.0.0 lets other machines in"
    )
    endpoint_certificate: Path | None = Field(
        default=None, description="certificate of the embedded router (PEM, with its chain): other machines get TLS"
    )
    endpoint_key: Path | None = Field(default=None, description="private key of that certificate (PEM)")
    models_port: int = Field(default=21_000, ge=1, le=65535, description="first port of the model services")
    envoy_admin_url: str = Field(default="", description="Envoy's admin address")
    spark_master: str = Field(
        default="local[*]",
        pattern=r"^local\[(\*|[1-9]\d*)\]$",
        description="local[N]: how many cores Spark uses inside a job; executors in pods are set by the pipeline file",
    )
    java_home: str = Field(default="", description="Java for Spark, where JAVA_HOME is not set")
    spark_memory: str = Field(default="2g", description="heap of the Spark driver in local mode")
    job_runner: Literal["process", "kubernetes"] = Field(
        default="process", description="where jobs run: beside Airflow's worker, or in pods"
    )
    job_image: str = Field(default="tidewheel:latest", description="container image of the jobs")
    job_namespace: str = Field(default="tidewheel", description="Kubernetes namespace of the jobs")
    job_pod_template: Path | None = Field(
        default=None,
        description="YAML file with a Pod that every job's pod starts from: nodes, volumes, queue, accounts",
    )
    job_schedule_timeout_seconds: int = Field(
        default=3600, ge=1, description="how long a job's pod may wait for a node that has room, or in a queue"
    )
    job_startup_timeout_seconds: int = Field(
        default=900, ge=1, description="how long a pod that has a node may take to pull its image and start"
    )
    serving_image: str = Field(default="tidewheel:serving", description="container image of the pods that serve models")
    executor_pod_template: Path | None = Field(
        default=None,
        description="YAML file with a Pod that every Spark executor starts from; default: that of the jobs",
    )
    spark_service_account: str = Field(
        default="tidewheel-spark", description="account of a job whose Spark starts executors in pods"
    )
    pod_name: str = Field(default="", description="name of the pod that this job runs in, given by the operator")
    pod_ip: str = Field(default="", description="address of the pod that this job runs in, given by the operator")
    executor_pod: Annotated[dict[str, Any], NoDecode, BeforeValidator(_json_object)] = Field(
        default_factory=dict, description="the Pod that executors of this job start from, given by the operator"
    )
    release_backend: str = Field(
        default="infra.local:LocalBackend",
        description="where models are served, as module:class; infra.kubernetes:KubernetesBackend on a cluster",
    )
    serving_namespace: str = Field(default="tidewheel", description="Kubernetes namespace of the model services")
    serving_pod_template: Path | None = Field(
        default=None,
        description="YAML file with a Pod that every model service's pod starts from: nodes, tokens, pull secrets",
    )
    gateway: str = Field(
        default="tidewheel-gateway/tidewheel", description="Gateway that routes to models join, as NAMESPACE/NAME"
    )
    gateway_pods_namespace: str = Field(
        default="envoy-gateway-system", description="Kubernetes namespace of that Gateway's own pods"
    )

    traffic_retention_days: int = Field(
        default=1100, ge=60, description="for how long figures of traffic are stored; `tidewheel gc` deletes older ones"
    )
    alerts_retention_days: int = Field(
        default=90, ge=1, description="for how long incidents that have ended, and their messages, are stored"
    )
    team_slots: Annotated[dict[str, Annotated[int, Field(ge=1)]], NoDecode, BeforeValidator(_json_object)] = Field(
        default_factory=dict,
        description="tasks that run at once of each team's pipelines, as JSON ({team: slots}); default: no own limit",
    )
    team_cpu_seconds: Annotated[dict[str, Annotated[float, Field(ge=0)]], NoDecode, BeforeValidator(_json_object)] = (
        Field(
            default_factory=dict,
            description="CPU seconds that a team's trainings may take in a month (UTC), as JSON ({team: seconds})",
        )
    )
    team_roles: bool = Field(
        default=False,
        description="give the DAGs of a team to the Airflow role of its name; needs an auth manager with roles (FAB)",
    )
    cpu_hour_price: float = Field(
        default=0, ge=0, description="what an hour of one CPU costs; the console then shows what trainings cost"
    )
    gpu_hour_price: float = Field(
        default=0, ge=0, description="what an hour of one GPU costs, likewise; in addition to the CPUs beside it"
    )
    currency: str = Field(default="EUR", max_length=10, description="of these prices")
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower_case)] = Field(
        default="text", description="what processes log: text for a person, or one JSON object a line"
    )

    @property
    def secrets(self) -> list[str]:
        """The passwords and keys among the settings, which no log may show."""
        values = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        urls = [password for url in (*values, self.mlflow_url) if (password := _password_of(url))]
        return [*values, *urls, *(str(value) for name, value in self.lake_options.items() if name in LAKE_SECRETS)]

    @property
    def mlflow_link(self) -> str:
        """Address of MLflow for pages and messages: without the login that the URL may hold, or a slash at the end."""
        scheme, found, rest = self.mlflow_url.rstrip("/").partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}{found}{host.rpartition('@')[2]}{slash}{path}"

    @cached_property
    def lake_root(self) -> str:
        """URL of the lake's root, without a slash at the end."""
        # Not Path.as_uri(): fsspec takes the path as it stands, and would make a folder called `my%20home`.
        return (self.lake_url or f"file://{self.home.absolute()}/lake").rstrip("/")

    @property
    def pipelines_folder(self) -> Path:
        """Folder of the pipeline files."""
        return self.project / "dags"

    @property
    def code_folder(self) -> Path:
        """Folder of the pipelines' code, relative to the project."""
        return code_folder(self.project)

    @property
    def request_log_folder(self) -> Path:
        """Folder that model services log their requests to, one sub-folder a pipeline."""
        return self.home / "requests"

    @property
    def model_cache(self) -> Path:
        """Folder of models downloaded from the registry, `<pipeline>/<version>-<run>`."""
        return self.home / "cache" / "models"

    @property
    def replay_cache(self) -> Path:
        """Folder of what replays have computed, `<pipeline>/<kind>/<key>.joblib`."""
        return self.home / "cache" / "replay"

    @property
    def bento_folder(self) -> Path:
        """What BentoML calls its home; the Bentos are `bentos/<pipeline>/<version>-<digest>` below it."""
        return self.home / "bentos"

    @property
    def spark_folder(self) -> Path:
        """Folder that a Spark driver on this machine keeps its scratch files in."""
        return self.home / "spark"

    @property
    def expectations_folder(self) -> Path:
        """Folder of the expectation suites, one sub-folder a pipeline."""
        return self.project / "expectations"

    def require(self, name: str) -> str:
        """Return the setting `name`, revealed.

        Raises:
            SettingsError: it is not set.
        """
        value = getattr(self, name)
        revealed = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not revealed:
            variable = f"TIDEWHEEL_{name.upper()}"
            raise SettingsError(
                f"setting {variable} is not set: nothing in the environment and nothing in "
                f"{self.home / PLATFORM_ENV}; start the platform with `tidewheel up`, or set {variable}"
            )
        return str(revealed)


def load_settings() -> Settings:
    """Read the settings of this process afresh: environment first, then `<home>/platform.env`.

    The project is TIDEWHEEL_PROJECT, or else this folder or the nearest above it that is one; the home is
    TIDEWHEEL_HOME, or else the project's.

    Raises:
        SettingsError: a variable has a value that cannot be, or there is neither a project nor a home.
    """
    project, home = _project(), _folder("TIDEWHEEL_HOME")
    if home is None:
        if project is None:
            raise SettingsError(no_project(_here()))
        home = project / HOME
    project = project or _here()
    try:
        return Settings(_env_file=home / PLATFORM_ENV, home=home, project=project)
    except ValidationError as error:
        # What was found is not repeated: it may be a password.
        wrong = "; ".join(f"TIDEWHEEL_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"wrong setting in the environment or {home / PLATFORM_ENV}: {wrong}") from None


def _folder(variable: str) -> Path | None:
    given = os.environ.get(variable)
    try:
        return Path(given).expanduser().resolve() if given else None
    except FileNotFoundError:  # a path that is relative to nothing
        raise SettingsError(f"{variable} is {given!r}, below a folder that was deleted; {GO_ELSEWHERE}") from None
    except RuntimeError:  # what expanduser() calls a `~name` that it does not know
        raise SettingsError(f"{variable} is {given!r}: this machine has no user of that name") from None


def _project() -> Path | None:
    if given := _folder("TIDEWHEEL_PROJECT"):
        return given
    here = _here()
    return next((folder for folder in (here, *here.parents) if is_project(folder)), None)


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise SettingsError(f"the folder that this was started in was deleted; {GO_ELSEWHERE}") from None
