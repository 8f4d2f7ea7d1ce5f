"""A log is followed for as long as somebody looks, however often it is rotated."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

from infra.embedded.program import tail


def test_a_log_is_followed_across_more_rotations_than_calls_may_be_nested(tmp_path: Path) -> None:
    log = tmp_path / "envoy.log"
    log.write_text("old\nolder\nnewest\n")
    followed = tail(log, 2, follow=True)
    assert list(islice(followed, 2)) == ["older", "newest"]
    for n in range(sys.getrecursionlimit() + 1):
        log.rename(tmp_path / "envoy.log.1")
        log.write_text(f"{n}\n")
        assert next(followed) == str(n)
    followed.close()


def test_without_following_it_ends(tmp_path: Path) -> None:
    log = tmp_path / "envoy.log"
    log.write_text("one\ntwo\n")
    assert list(tail(log, 50, follow=False)) == ["one", "two"]
