"""Serve the Bento in this folder with one process: `python -m bentos.serve --port 3000`.

`bentoml serve` does the same with a second process that watches the first. Under supervision of our own that second
one only costs memory, and outlives or orphans the first when one of them is killed.
"""

from __future__ import annotations

import argparse

import uvicorn

from bentos.contract import Packaged
from bentos.endpoint import Endpoint
from bentos.logs import configure
from bentos.served import FOLDER
from bentos.without_pandas import hide_pandas

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
    from bentos.service import SETTINGS, application, served

    configure(
        SETTINGS.log_level,
        (*SETTINGS.tokens, SETTINGS.platform_token),
        pipeline=packaged.pipeline,
        model_version=packaged.version,
        colour=SETTINGS.colour,
    )

    config = uvicorn.Config(
        # In front of BentoML's own middleware too, which takes as long as a small model.
        Endpoint(application.to_asgi(), served, SETTINGS),
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


if __name__ == "__main__":
    main()
