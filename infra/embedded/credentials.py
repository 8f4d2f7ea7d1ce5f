"""The passwords and keys of one installation: generated once, readable by their owner only."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from tidewheel.atomic_file import write_private
from tidewheel.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


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
    found: dict[str, str] = {}
    if path.exists():
        try:
            found = TypeAdapter(dict[str, str]).validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise SettingsError(
                f"{path} holds this installation's passwords and cannot be read; "
                "restore it, or remove TIDEWHEEL_HOME to start afresh"
            ) from error
    credentials = Credentials(**{key.name: found[key.name] for key in fields(Credentials) if key.name in found})
    if asdict(credentials) != found:
        write_private(path, json.dumps(asdict(credentials), indent=1) + "\n")
    return credentials
