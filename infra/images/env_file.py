"""Prints the passwords and keys that docker-compose.yaml asks for; see docs/how-to/containers.md."""

from __future__ import annotations

import sys
from dataclasses import asdict

from infra.embedded.layout import Credentials


def variable(credential: str) -> str:
    """Name of the variable that holds a credential."""
    return f"TIDEWHEEL_{credential.upper()}"


def variables() -> dict[str, str]:
    """Fresh credentials by the name of their variable."""
    return {variable(name): value for name, value in asdict(Credentials()).items()}


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}={value}\n" for name, value in variables().items())
