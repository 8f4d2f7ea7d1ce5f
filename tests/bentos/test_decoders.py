"""The processes that decode tables and large bodies: when they start, what they know, and what a dead one costs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from bentos import decoders
from bentos.decoder import ARROW_FORM, JSON_FORM, PARQUET_FORM
from bentos.decoders import DecoderFailed, Decoders
from bentos.loaded_model import LoadedModel
from bentos.problems import RequestRefused
from tests.bentos.attacks import parquet, stream
from tests.conftest import wait_until


def decoding() -> list[psutil.Process]:
    """Decoders of this process that live."""
    children = psutil.Process().children()
    return [child for child in children if child.is_running() and "bentos.decoder" in " ".join(_command(child))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def body(served: LoadedModel, rows: int = 50) -> bytes:
    golden = [dict(golden.row) for golden in served.packaged.contract.golden_rows]
    return json.dumps({"rows": [{**golden[n % len(golden)], "order_id": n} for n in range(rows)]}).encode()


@pytest.mark.parametrize("form", [JSON_FORM, ARROW_FORM, PARQUET_FORM])
def test_what_comes_back_is_what_the_reader_reads(served: LoadedModel, form: int) -> None:
    pool = Decoders(served.folder, served.packaged, 1)
    table = pa.Table.from_pylist(json.loads(body(served))["rows"])
    content = {JSON_FORM: body(served), ARROW_FORM: stream(table), PARQUET_FORM: parquet(table)}[form]
    decoded, expected = pool.rows(form, False, content), served.reader.from_json(body(served))
    pool.close()
    assert decoded.columns.numbers.tobytes() == expected.columns.numbers.tobytes()
    assert [list(values) for values in decoded.columns.categories] == [list(v) for v in expected.columns.categories]
    assert [[*map(str, values)] for values in decoded.key] == [[*map(str, values)] for values in expected.key]


def test_none_is_started_before_it_is_needed_and_all_end_with_the_service(
    served: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_ENDPOINT_TOKEN", "s3cret")
    before = set(decoding())
    pool = Decoders(served.folder, served.packaged, 2)
    assert set(decoding()) == before
    for _ in range(3):
        pool.rows(JSON_FORM, False, body(served))
    [started] = set(decoding()) - before
    assert "s3cret" not in Path(f"/proc/{started.pid}/environ").read_text()
    pool.close()
    wait_until(lambda: set(decoding()) == before, "it has ended")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_one_that_died_while_nobody_asked_it_is_replaced(served: LoadedModel, how: signal.Signals) -> None:
    before = set(decoding())
    pool = Decoders(served.folder, served.packaged, 1)
    pool.rows(JSON_FORM, False, body(served))
    [first] = set(decoding()) - before
    os.kill(first.pid, how)
    os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)  # it is dead, and not yet reaped
    assert len(pool.rows(JSON_FORM, False, body(served))) == 50
    pool.close()


def test_one_that_hangs_costs_one_request(served: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "WALL_SECONDS", 1.0)
    before = set(decoding())
    pool = Decoders(served.folder, served.packaged, 1)
    pool.rows(JSON_FORM, False, body(served))
    [first] = set(decoding()) - before
    os.kill(first.pid, signal.SIGSTOP)
    with pytest.raises(RequestRefused) as refused:
        pool.rows(JSON_FORM, False, body(served))
    assert refused.value.status == 413
    monkeypatch.undo()
    assert len(pool.rows(JSON_FORM, False, body(served))) == 50
    pool.close()


def test_one_that_cannot_start_is_an_error_of_ours(served: LoadedModel, tmp_path: Path) -> None:
    pool = Decoders(tmp_path, served.packaged, 1)
    with pytest.raises(DecoderFailed, match="exit status 1"):
        pool.rows(JSON_FORM, False, body(served))
