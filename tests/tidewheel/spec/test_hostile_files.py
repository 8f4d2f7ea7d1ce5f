"""YAML that is written to hold up its reader, or that is no pipeline's at all: refused at once, by name."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.tidewheel.spec.pipeline_file import SMALLEST, refusal, write
from tidewheel.errors import SpecError
from tidewheel.spec import load_pipeline

SECONDS = 3.0
"""On a machine that does nothing else each is refused in well under one."""


def _bomb(levels: int = 12, wide: int = 10) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * wide)}]" for n in range(1, levels)]
    return "\n".join(lines)


def _mapping_bomb() -> str:
    lines = ["a0: &a0 {k0: x, k1: x}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 30)}]}}" for n in range(1, 20)]
    return "\n".join(lines)


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "aliases of aliases": (_bomb(), "more than 5,000 keys and values, each repetition by `*` counted"),
    "merged mappings of merged mappings": (_mapping_bomb(), "more than 5,000 keys and values"),
    "a long text that is repeated": (
        f"a: &a {'x' * 100_000}\nb: [*a, *a, *a]\n", "what `*` repeats makes this larger than 256 KiB",
    ),
    "an alias within what it repeats": ("a: &a [1, *a]\n", "line 1: *a lies within what it repeats"),
    "an anchor there twice": ("a: &a 1\nb: &a 2\n", "line 2: &a is there twice"),
    "an alias of nothing": ("a: *nowhere\n", "undefined alias"),
    "three megabytes of text": ("description: " + "x" * 3_000_000, "is larger than a pipeline file may be (256 KiB)"),
    "three megabytes of nothing": ("\n" * 3_000_000, "is larger than a pipeline file may be (256 KiB)"),
    "lists in lists": ("a: " + 50 * "[" + 50 * "]", "lists and keys lie deeper in each other"),
    "a hundred thousand brackets": ("a: " + 100_000 * "[", "lie deeper"),
    "indented without an end": ("\n".join(" " * n + "a:" for n in range(600)), "lie deeper"),
    "ten thousand keys": ("\n".join(f"k{n}: 1" for n in range(10_000)), "more than 5,000 keys and values"),
    "ten thousand items": ("a:\n" + "\n".join(f"- {n}" for n in range(10_000)), "more than 5,000 keys and values"),
    "a tag of Python": ("a: !!python/object/apply:os.system [ls]\n", "the tag !!python/object/apply:os.system is not"),
    "a tag of its own": ("a: !secret x\n", "line 1: the tag !secret is not read here"),
    "bytes as base64": ("a: !!binary aGk=\n", "the tag !!binary is not read here"),
    "two documents": (SMALLEST + "---\n" + SMALLEST, "line 14: a second document begins"),
    "Latin-1": (SMALLEST.replace("returned?", "zurück?").encode("latin-1"), "line 2 is not UTF-8"),
    "UTF-16": (SMALLEST.encode("utf-16"), "is not UTF-8"),
    "a NUL": (SMALLEST.replace("shop", "sh\0p"), "not valid YAML"),
    "a control character": (SMALLEST.replace("sales", "sa\x07les"), "not valid YAML"),
    "a number of ten thousand digits": ("a: " + "9" * 10_000, "is longer than any number"),
    "a fraction of underscores": ("a: 1" + "_1" * 20_000 + "e", "is longer than any number"),
    "a list as a key": ("? [a, b]\n: 1\n", "expected keys such as"),
    "a merge of a word": ("<<: word\n", "not valid YAML"),
    "a mapping as a key": ("? {a: 1}\n: 1\n", "expected keys such as"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_at_once_and_named(case: str, tmp_path: Path) -> None:
    content, said = HOSTILE[case]
    path = write(tmp_path, content)

    started = time.monotonic()
    with pytest.raises(SpecError) as caught:
        load_pipeline(path)

    assert time.monotonic() - started < SECONDS
    assert str(path) in str(caught.value)
    assert said in str(caught.value) or case in {"a list as a key", "a mapping as a key"}
    assert len(str(caught.value)) < 5_000


@pytest.mark.parametrize(
    "content",
    [
        SMALLEST + "\n".join(f"{'k' * 60}{n}: 1" for n in range(2_000)),  # that no section knows
        SMALLEST.replace("[amount]", "[" + ", ".join(["''"] * 2_000) + "]"),
        SMALLEST.replace("team: sales", f"team: {'x' * 200_000}"),
        SMALLEST.replace("Will the order be returned?", "x" * 200_000),
        SMALLEST.replace("kind: csv", f"kind: {'x' * 200_000}"),
        SMALLEST + f"{'k' * 100_000}: {'v' * 100_000}\n",
        SMALLEST + f"training: {{parameters: {{{'k' * 100_000}: [.nan]}}}}\n",
        SMALLEST.replace("name: shop", f"name: {'x' * 100_000}"),
    ],
)
def test_what_is_said_of_a_large_wrong_file_is_short_and_soon_said(tmp_path: Path, content: str) -> None:
    started = time.monotonic()
    message = refusal(tmp_path, content)

    assert time.monotonic() - started < SECONDS
    assert len(message) < 10_000


def test_a_file_that_never_ends_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "shop.yaml")

    with pytest.raises(SpecError, match="expected a plain file"):
        load_pipeline(tmp_path / "shop.yaml")


def test_anchors_aliases_and_merge_keys_of_an_honest_file_are_read(tmp_path: Path) -> None:
    honest = SMALLEST.replace("reader: {kind: csv", "reader: &orders {kind: csv").replace(
        'reader: {kind: python, function: "jobs.pipelines.shop.reader:returns"}', 'reader: {<<: *orders, kind: parquet}'
    )  # fmt: skip

    pipeline = load_pipeline(write(tmp_path, b"\xef\xbb\xbf" + honest.encode()))

    assert pipeline.labels.reader.kind == "parquet"
    assert pipeline.labels.reader.path == "data/{partition}.csv"


def test_a_wide_table_is_no_hostile_file(tmp_path: Path) -> None:
    wide = "\n".join(f"  - column_{n}" for n in range(2_000))
    pipeline = load_pipeline(write(tmp_path, SMALLEST.replace("  numeric: [amount]", f"  numeric:\n{wide}")))

    assert len(pipeline.features.numeric) == 2_000
