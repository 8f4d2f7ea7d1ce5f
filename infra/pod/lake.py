"""The lake as a serving pod reaches it: with Arrow's own clients, since the pod's image has no fsspec."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from pyarrow import fs

URL, OPTIONS = "TIDEWHEEL_LAKE_URL", "TIDEWHEEL_LAKE_OPTIONS"
CONNECT_SECONDS = 5
READ_BYTES = 4 << 20
ATTEMPTS = 2
"""Of one call, by the client itself; the caller tries again later."""
NAMES = {"key": "access_key", "secret": "secret_key", "token": "session_token", "anon": "anonymous"}
CLIENT_NAMES = {"region_name": "region", "verify": "tls_ca_file_path"}


class PodError(Exception):
    """Why a program of the pod cannot do its work, as a sentence for the pod's status."""


class LakeFiles(Protocol):
    """Files below the lake's root, by paths relative to it; OSError says that the lake does not answer."""

    root: str

    def open(self, path: str) -> IO[bytes]:
        """Read a file from its beginning."""

    def write(self, path: str, content: bytes) -> None:
        """Put a file in place in one step: a reader sees the old content or the new, never a part."""


def open_lake(environment: Mapping[str, str] = os.environ) -> LakeFiles:
    """The lake that `TIDEWHEEL_LAKE_URL` and `TIDEWHEEL_LAKE_OPTIONS` name.

    Raises:
        PodError: a variable is missing, or says something that a pod cannot do.
    """
    root = environment.get(URL, "").rstrip("/")
    place = urlsplit(root)
    if place.scheme == "s3" and place.netloc:
        return _Bucket(root, _s3_options(environment.get(OPTIONS, "")))
    if place.scheme == "file" and place.path:
        return _Folder(root)
    raise PodError(f"{URL} is {root!r}; expected s3://BUCKET/FOLDER, or file:///FOLDER for a volume of the pod")


def _s3_options(text: str) -> dict[str, Any]:
    """What Arrow's S3 client calls fsspec's options."""
    try:
        given = json.loads(text or "{}")
        client = given.pop("client_kwargs", {})
        endpoint = client.pop("endpoint_url", None) or given.pop("endpoint_url", None)
    except (ValueError, AttributeError, TypeError):
        raise PodError(f"{OPTIONS} is not a JSON object") from None
    if unknown := sorted([*(given.keys() - NAMES.keys()), *(client.keys() - CLIENT_NAMES.keys())]):
        allowed = ", ".join(("endpoint_url", *NAMES, *(f"client_kwargs.{name}" for name in CLIENT_NAMES)))
        raise PodError(f"{OPTIONS} has {', '.join(unknown)}, which serving pods cannot use; they know {allowed}")
    options = {NAMES[name]: value for name, value in given.items()}
    options |= {CLIENT_NAMES[name]: value for name, value in client.items()}
    if endpoint:
        place = urlsplit(endpoint)
        options |= {"scheme": place.scheme, "endpoint_override": f"{place.netloc}{place.path}".rstrip("/")}
    return options


class _Bucket:
    def __init__(self, root: str, options: Mapping[str, Any]) -> None:
        self.root = root
        self._base = root.removeprefix("s3://")
        try:
            self._fs = fs.S3FileSystem(
                **options,
                connect_timeout=CONNECT_SECONDS,
                retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
                allow_delayed_open=True,  # a small file is one request
            )
        except (TypeError, ValueError) as error:
            raise PodError(f"{OPTIONS} cannot be used: {error}") from error

    def open(self, path: str) -> IO[bytes]:
        opened: IO[bytes] = self._fs.open_input_stream(f"{self._base}/{path}", buffer_size=READ_BYTES)
        return opened

    def write(self, path: str, content: bytes) -> None:
        with self._fs.open_output_stream(f"{self._base}/{path}") as stream:
            stream.write(content)


class _Folder:
    def __init__(self, root: str) -> None:
        self.root = root
        self._base = Path(root.removeprefix("file://"))

    def open(self, path: str) -> IO[bytes]:
        return (self._base / path).open("rb")

    def write(self, path: str, content: bytes) -> None:
        target = self._base / path
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f"{target.name}.{uuid4().hex}.tmp")
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        except BaseException:
            with suppress(FileNotFoundError):
                beside.unlink()
            raise
