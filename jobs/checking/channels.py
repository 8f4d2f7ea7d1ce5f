"""Whether the channels of a pipeline's alerts have URLs that can be used, as far as this environment holds them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec

from jobs.checking.finding import Wrong
from tidewheel.alerts.channels import target
from tidewheel.errors import SettingsError
from tidewheel.spec import Pipeline


def channel_mistakes(pipeline: Pipeline) -> Iterator[Wrong]:
    """URLs that are set and cannot be used; the URL itself is never repeated."""
    if find_spec("apprise") is None:
        return
    for name, channel in pipeline.alerts.channels.items():
        if channel.url_variable and (url := os.environ.get(channel.url_variable)):
            try:
                target(url, channel.address)
            except SettingsError as error:
                yield Wrong(("alerts", "channels", name, "url_variable"), str(error))


def channel_doubts(pipeline: Pipeline) -> Iterator[Wrong]:
    """Environment variables that are not set here; the alerts service may have them."""
    for name, channel in pipeline.alerts.channels.items():
        if channel.url_variable and not os.environ.get(channel.url_variable):
            yield Wrong(
                ("alerts", "channels", name, "url_variable"),
                f"{channel.url_variable} is not set in this environment; the alerts service needs it in its own "
                f"(`tidewheel alerts test {pipeline.name}` sends a message)",
            )
