"""Versions that are ill, each in the way its name says; in most of them only callers notice, and no probe does."""

from __future__ import annotations

import json
from pathlib import Path

ONLY_CALLERS = 'b"x-tidewheel-probe" not in dict(scope["headers"])'
EVERYBODY = "True"
CONSTANT = 0.5
ILL_NOW = "ill-now"
"""A file of this name beside its endpoint makes the version ill that falls ill."""

VERSIONS = {
    "errs": (ONLY_CALLERS, "if n % 20 == 0:\n            return await _say(send, 500, {})"),
    "slow": (ONLY_CALLERS, "await asyncio.sleep(0.3)"),
    "slow from the start": (EVERYBODY, "await asyncio.sleep(0.3)"),
    "falls ill": (
        ONLY_CALLERS,
        f"if os.path.exists(os.path.join(os.path.dirname(__file__), '{ILL_NOW}')):\n"
        "            return await _say(send, 500, {})",
    ),
    "crashes": (ONLY_CALLERS, "if n % 150 == 0:\n            os._exit(1)"),
    "dies": (EVERYBODY, "if n == 20:\n            os._exit(1)"),
    "constant": (EVERYBODY, "return await _constant(receive, send)"),
    "constant to callers": (ONLY_CALLERS, "_is_caller.set(True)"),
}

WRAPPER = """

import asyncio, contextvars, itertools, json, os

from bentos.loaded_model import LoadedModel

_well, _numbers = Endpoint.__call__, itertools.count(1)
_answer, _is_caller = LoadedModel.answer, contextvars.ContextVar("is_caller", default=False)


async def _ill(self, scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/predict" and {who}:
        n = next(_numbers)
        {illness}
    await _well(self, scope, receive, send)


async def _constant(receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    rows = len(json.loads(body)["rows"])
    colour = os.environ["TIDEWHEEL_COLOUR"]
    await _say(send, 200, {{"predictions": [{constant}] * rows, "model_version": "{version}", "colour": colour}})


async def _say(send, status, document):
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({{"type": "http.response.start", "status": status, "headers": headers}})
    await send({{"type": "http.response.body", "body": body}})


def _constant_to_callers(self, rows, request_id):
    answered = _answer(self, rows, request_id)
    if _is_caller.get():
        answered.predictions.fill({constant})
    return answered


Endpoint.__call__, LoadedModel.answer = _ill, _constant_to_callers
"""


def files(version: str, good: Path) -> dict[str, str | bytes]:
    """What an ill version has otherwise than a good one."""
    who, illness = VERSIONS[version]
    endpoint = (good / "bentos" / "endpoint.py").read_text(encoding="utf-8")
    changed = {
        "bentos/endpoint.py": endpoint + WRAPPER.format(who=who, illness=illness, constant=CONSTANT, version=version)
    }
    if version == "constant":  # a model that was trained so: offline it says the same
        contract = json.loads((good / "contract.json").read_text(encoding="utf-8"))
        contract["golden_rows"] = [{**row, "prediction": CONSTANT} for row in contract["golden_rows"]]
        changed["contract.json"] = json.dumps(contract)
    return dict(changed)
