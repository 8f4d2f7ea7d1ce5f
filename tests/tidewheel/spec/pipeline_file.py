"""The smallest pipeline there can be, as a file, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidewheel.errors import SpecError
from tidewheel.spec import load_pipeline

SMALLEST = """\
name: shop
description: Will the order be returned?
owner: {team: sales}
source:
  reader: {kind: csv, path: "data/{partition}.csv"}
  event_time: ordered_at
  entity_key: [order_id]
labels:
  reader: {kind: python, function: "jobs.pipelines.shop.reader:returns"}
  column: returned
features:
  transform: jobs.pipelines.shop.transform:features
  numeric: [amount]
"""


def write(folder: Path, content: str | bytes, name: str = "shop") -> Path:
    """Write a pipeline's file; returns its path."""
    path = folder / f"{name}.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(folder: Path, content: str | bytes) -> str:
    """The message with which a pipeline is refused; it names the file."""
    with pytest.raises(SpecError) as caught:
        load_pipeline(write(folder, content))
    assert str(folder / "shop.yaml") in str(caught.value)
    return str(caught.value)
