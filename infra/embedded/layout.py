"""The files of one installation, all below one home folder, and the generated passwords and keys among them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import stat
import sys
import tempfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tidewheel.atomic_file import write_private
from tidewheel.errors import SettingsError

USERNAME = "admin"
"""The user that Airflow and MLflow are set up with."""

# A unix socket's address holds 108 bytes, and supervisord first binds `<path>.<pid>`.
LONGEST_SOCKET_PATH = 95
# supervisord's configuration cannot carry these in a path: comments, expansions, patterns, quotes.
UNWRITABLE = frozenset("\"'\n\r;#%[]*?")


def refuse_unwritable(what: str, path: Path) -> None:
    """Refuse a path that supervisord's configuration cannot carry.

    Raises:
        SettingsError: the path holds such a character.
    """
    characters = sorted(UNWRITABLE.intersection(str(path)))
    if characters:
        raise SettingsError(
            f"{what} is {str(path)!r}, whose path contains {' '.join(map(repr, characters))}; "
            "supervisord's configuration cannot hold such a path: choose another folder"
        )


@dataclass(frozen=True)
class Layout:
    """The folders and files of one installation.

    Attributes:
        home: absolute path of `TIDEWHEEL_HOME`.
    """

    home: Path

    @property
    def logs(self) -> Path:
        """Folder of the services' logs, one `<name>.log` each."""
        return self.home / "logs"

    def log(self, name: str) -> Path:
        """Log of the service `name`."""
        return self.logs / f"{name}.log"

    @property
    def run(self) -> Path:
        """Folder of what only matters while the platform runs: pid files and locks."""
        return self.home / "run"

    @property
    def programs(self) -> Path:
        """Folder of the launch files, one `<name>.json` a supervised program."""
        return self.home / "programs"

    @property
    def supervisor_config(self) -> Path:
        """Supervisord's main configuration file."""
        return self.home / "supervisord.conf"

    @property
    def included_config(self) -> Path:
        """Folder of supervisord's `*.conf` files, one a program."""
        return self.home / "conf.d"

    @property
    def supervisor_pid(self) -> Path:
        """Supervisord's pid file."""
        return self.run / "supervisord.pid"

    @property
    def supervisor_log(self) -> Path:
        """Supervisord's own log."""
        return self.logs / "supervisord.log"

    @property
    def supervisor_socket(self) -> Path:
        """Supervisord's control socket; in a private temporary folder where home's path is too long for a socket."""
        return self._socket("supervisor.sock")

    @property
    def envoy_socket(self) -> Path:
        """The socket of Envoy's admin interface, in the same folder."""
        return self._socket("envoy.sock")

    def _socket(self, name: str) -> Path:
        # Both in one folder: the longest name decides.
        if len(os.fsencode(self.run / "supervisor.sock")) <= LONGEST_SOCKET_PATH:
            return self.run / name
        return self.short_folder / name

    @property
    def short_folder(self) -> Path:
        """A folder with a short path that belongs to this home and this user alone."""
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"tidewheel-{os.getuid()}-{digest}"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data folder."""
        return self.home / "postgres"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME: configuration, password file, task logs."""
        return self.home / "airflow"

    @property
    def mlflow(self) -> Path:
        """MLflow's folder: artifacts and the file that configures its login."""
        return self.home / "mlflow"

    @property
    def envoy(self) -> Path:
        """Envoy's files: bootstrap.json and the discovery files lds.json, rds.json, cds.json."""
        return self.home / "envoy"

    @property
    def java(self) -> Path:
        """JAVA_HOME made over a Java runtime from a wheel, where the machine has no Java."""
        return self.home / "java"

    @property
    def secrets(self) -> Path:
        """The generated passwords and keys, readable by the owner only."""
        return self.home / "secrets.json"

    def create(self) -> None:
        """Make the folders, readable by their owner only.

        Raises:
            SettingsError: the path cannot be used, or cannot be written.
        """
        refuse_unwritable("TIDEWHEEL_HOME", self.home)
        refuse_unwritable("the Python environment", Path(sys.executable))
        folders = [self.home, self.logs, self.run, self.programs, self.included_config]
        folders += [self.airflow, self.mlflow, self.envoy]
        try:
            for folder in folders:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.home.chmod(0o700)
        except OSError as error:
            raise SettingsError(
                f"cannot write in TIDEWHEEL_HOME ({self.home}): {error.strerror}; "
                "set TIDEWHEEL_HOME to a folder you may write"
            ) from error
        if self.supervisor_socket.parent != self.run:
            self._create_short_folder()

    def _create_short_folder(self) -> None:
        # Anyone may write in the temporary folder: accept only a real folder that is ours alone.
        folder = self.short_folder
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise SettingsError(
                f"{folder} exists and is not a private folder of this user, and TIDEWHEEL_HOME ({self.home}) is too "
                "long for a unix socket: remove that folder, or choose a shorter TIDEWHEEL_HOME"
            )


def _password() -> str:
    return secrets.token_urlsafe(18)


def _key() -> str:
    # 64 bytes, what HS512 asks for; shorter ones make Airflow warn.
    return secrets.token_urlsafe(64)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Credentials:
    """What the services use to trust each other and their users. Its representation shows no secret."""

    postgres_password: str = field(default_factory=_password, repr=False)
    airflow_password: str = field(default_factory=_password, repr=False)
    airflow_secret_key: str = field(default_factory=_key, repr=False)
    airflow_jwt_secret: str = field(default_factory=_key, repr=False)
    airflow_fernet_key: str = field(default_factory=_fernet_key, repr=False)
    mlflow_password: str = field(default_factory=_password, repr=False)
    mlflow_secret_key: str = field(default_factory=_key, repr=False)


def load_or_generate(path: Path) -> Credentials:
    """Read the credentials, and generate those that are missing, all of them the first time.

    Raises:
        SettingsError: the file exists and cannot be read as credentials.
    """
    stored: dict[str, str] = {}
    if path.exists():
        try:
            stored = TypeAdapter(dict[str, str]).validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise SettingsError(
                f"{path} holds this installation's passwords and cannot be read; "
                "restore it, or remove TIDEWHEEL_HOME to start afresh"
            ) from error
    credentials = Credentials(**{key.name: stored[key.name] for key in fields(Credentials) if key.name in stored})
    if asdict(credentials) != stored:
        write_private(path, json.dumps(asdict(credentials), indent=1) + "\n")
    return credentials
