"""Channels: where the URL of each is held, and sending to it by Apprise. A URL may hold a token: none is repeated."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from tidewheel.errors import PlatformError, SettingsError
from tidewheel.logs import redacted

if TYPE_CHECKING:
    from apprise import NotifyBase

    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.alerts")

ENVIRONMENT, AIRFLOW = "environment variable ", "Airflow Variable "
"""What the address of a channel begins with, see `tidewheel.spec.alerts.Channel`."""
SHAPES = "an Apprise URL such as mailto://… or slack://…, or an https:// address that gets JSON"
WEB = {"http": "json", "https": "jsons"}
DATA = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})
"""Apprise's channels that a program reads."""
SHORTEST_SECRET = 4
"""Shorter parts of a URL are left in what a channel said."""


def url_of(address: str, settings: Settings) -> str:
    """The URL of a channel, as it is set now.

    Args:
        address: where it is held.
        settings: know Airflow, for a channel whose URL is an Airflow Variable.

    Raises:
        SettingsError: it is not set.
        PlatformError: Airflow does not answer.
    """
    if address.startswith(ENVIRONMENT):
        value = os.environ.get(address.removeprefix(ENVIRONMENT), "")
    else:
        value = _airflow_variable(address.removeprefix(AIRFLOW), settings)
    if not value.strip():
        raise SettingsError(f"{address} is not set; expected {SHAPES}")
    return value.strip()


def target(url: str, address: str) -> NotifyBase:
    """The service behind a URL.

    Args:
        url: Apprise's, the address that Slack, Discord or Teams give for a webhook, or any other of the web.
        address: where it is held, for messages.

    Raises:
        SettingsError: it cannot be used.
    """
    from apprise import Apprise, AppriseAsset, NotifyFormat

    asset = AppriseAsset(app_id="Tidewheel", app_desc="Tidewheel", app_url="", image_url_mask="", image_url_logo="")
    with _warnings_of_this_thread([]):  # which name the URL
        service: NotifyBase | None = Apprise.instantiate(url, asset=asset)
        if service is None and (scheme := WEB.get(urlsplit(url).scheme.lower())):
            service = Apprise.instantiate(f"{scheme}://{url.partition('://')[2]}", asset=asset)
    if service is None:
        raise SettingsError(f"{address} holds no URL that Apprise knows; expected {SHAPES}")
    service.notify_format = NotifyFormat.TEXT
    return service


def send(url: str, address: str, title: str, text: str, severity: str, chart: bytes | None = None) -> str:
    """Send a message.

    Args:
        url: of the channel.
        address: where the URL is held.
        title: one line.
        text: plain text.
        severity: info, warning, critical or resolved.
        chart: a PNG, for a channel that takes one, see `takes_chart`. If it does not, it gets the text alone.

    Returns:
        Why the channel has not taken it; empty where it has.
    """
    said: list[str] = []
    try:
        from apprise import NotifyFormat

        service = target(url, address)
        message = {"body": text, "title": title, "notify_type": _kind(severity), "body_format": NotifyFormat.TEXT}
        with _warnings_of_this_thread(said):
            taken = chart is not None and _with_chart(service, message, chart)
            taken = taken or bool(service.notify(**message))
    except SettingsError as error:
        return str(error)
    except Exception as error:  # of the service's plug-in; the message stays in the outbox
        taken = False
        said.append(f"{type(error).__name__}: {error}")
    return "" if taken else without_secrets(" ".join(said), url) or "the channel did not take the message"


def takes_chart(url: str, address: str) -> bool:
    """Whether a channel shows a picture to a person; one that a program reads gets none.

    Args:
        url: of the channel.
        address: where the URL is held, for messages.

    Raises:
        SettingsError: the URL cannot be used.
    """
    service = target(url, address)
    protocols = {*_names(service.protocol), *_names(service.secure_protocol)}
    return bool(service.attachment_support) and not protocols & DATA


def _names(protocol: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (protocol,) if isinstance(protocol, str) else protocol or ()


def _with_chart(service: NotifyBase, message: Mapping[str, Any], chart: bytes) -> bool:
    from apprise.attachment.memory import AttachMemory

    try:
        picture = AttachMemory(chart, name="chart.png", mimetype="image/png")  # type: ignore[no-untyped-call]
        return bool(service.notify(**message, attach=picture))
    except Exception as error:  # of the service's plug-in; its message may name the URL
        log.warning("a chart was not taken (%s): the text goes without it", type(error).__name__)
        return False


def without_secrets(said: str, url: str) -> str:
    """What a service said, on one line and without any part of the channel's URL."""
    parts = sorted({part for part in re.split(r"[/?&=:@#]+", url) if len(part) >= SHORTEST_SECRET}, key=len)
    text = " ".join(said.split())
    for part in reversed(parts):
        for form in (part, quote(part, safe=""), unquote(part)):
            text = text.replace(form, "***")
    return redacted(text)[:300]


class _Collector(logging.Handler):
    """Takes what one thread logs."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said, self._thread = said, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message of the thread."""
        if record.thread == self._thread:
            self._said.append(record.getMessage())


@contextmanager
def _warnings_of_this_thread(said: list[str]) -> Iterator[None]:
    """Collect Apprise's warnings, and keep them out of our log: they may name a URL."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    collector = _Collector(said)
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)


def _kind(severity: str) -> str:
    from apprise import NotifyType

    kinds = {"critical": NotifyType.FAILURE, "warning": NotifyType.WARNING, "resolved": NotifyType.SUCCESS}
    return kinds.get(severity, NotifyType.INFO)


def _airflow_variable(key: str, settings: Settings) -> str:
    from tidewheel.airflow_api import AirflowApi

    with AirflowApi.open(settings) as airflow:
        value = airflow.variable(key)
    if value == "***":
        raise PlatformError(
            f"Airflow hides the value of its Variable {key!r}, since the name sounds like a secret (password, secret, "
            "token, api_key); give the Variable another name, or use url_variable"
        )
    return value
