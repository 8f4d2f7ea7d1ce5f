"""Ends with 0 where a service answers: `python -m infra.images.health URL`.

With the name of one of Airflow's processes behind it, such as `scheduler`, URL is Airflow's health page, and the
process has to be healthy there. Standard library only: it runs every few seconds, and the serving image has no httpx.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request

SECONDS = 4


def problem(url: str, process: str = "") -> str:
    """Why a service, or one of Airflow's processes, is not healthy; empty where it is."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - an address of our own file
            content = answer.read()
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        return f"{url}: {error}"
    if not process:
        return ""
    status = json.loads(content).get(process, {}).get("status")
    return "" if status == "healthy" else f"{process} is {status}"


if __name__ == "__main__":
    sys.exit(problem(*sys.argv[1:]) or 0)
