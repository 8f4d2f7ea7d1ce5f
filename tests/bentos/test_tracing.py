"""Which callers' traces a service continues."""

from __future__ import annotations

import pytest

from bentos.tracing import unsampled

IDS = f"{0xA11CE:032x}-{0xB0B:016x}"


@pytest.mark.parametrize(
    ("parent", "says_so"),
    [
        (f"00-{IDS}-00", True),
        (f"00-{IDS}-02", True),
        (f"00-{IDS}-01", False),
        (f"00-{IDS}-03", False),
        ("", False),
        (f"00-{IDS}-0", False),
        (f"00-{IDS[1:]}-00", False),
        (f"zz-{IDS}-02", False),
    ],
)
def test_a_caller_that_has_not_sampled_its_trace_is_left_alone(parent: str, says_so: bool) -> None:
    assert unsampled(parent.encode()) is says_so
