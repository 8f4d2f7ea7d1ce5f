"""Serve the Bento in this folder with one process: `python -m bentos.serve --port 3000`.

`bentoml serve` does the same with a second process that watches the first. Where another supervisor watches it, the
second one only costs memory, and outlives or orphans the first when one of them is killed.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, cast

import uvicorn

from bentos.endpoint import Endpoint
from bentos.loaded_model import FOLDER
from bentos.logs import configure
from bentos.packaged import Packaged
from bentos.without_pandas import hide_pandas

if TYPE_CHECKING:
    from starlette.applications import Starlette

KEEP_ALIVE_SECONDS = 75
"""Longer than the router keeps an idle connection: else it sends a request into one that is being closed."""
DRAIN_SECONDS = 30


def main() -> None:
    """Serve until SIGTERM; requests in flight are answered first."""
    parser = argparse.ArgumentParser(prog="python -m bentos.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    packaged = Packaged.read(FOLDER)
    if packaged.format != "native":
        hide_pandas()
    from bentos.service import SETTINGS

    configure(
        SETTINGS.log_level,
        (*SETTINGS.tokens, SETTINGS.platform_token),
        pipeline=packaged.pipeline,
        model_version=packaged.version,
        colour=SETTINGS.colour,
    )

    config = uvicorn.Config(
        endpoint_first(),
        host=options.host,
        port=options.port,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    uvicorn.Server(config).run()


def endpoint_first() -> Starlette:
    """BentoML's application, with the endpoint moved in front of the middleware that BentoML adds itself.

    `bentos.service` adds the endpoint, so `bentoml serve` has it too; but BentoML puts its own middleware before it,
    which takes as long as a small model.
    """
    from bentos.service import application

    app = cast("Starlette", application.to_asgi())
    endpoint: object = Endpoint
    app.user_middleware.sort(key=lambda middleware: middleware.cls is not endpoint)
    return app


if __name__ == "__main__":
    main()
