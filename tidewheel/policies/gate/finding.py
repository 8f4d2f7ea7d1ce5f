"""What one rule of the gate says of a challenger."""

from __future__ import annotations

from dataclasses import dataclass

from tidewheel.policies.verdict import Outcome


@dataclass(frozen=True)
class Finding:
    """What one rule says, as the rest of a sentence that begins with the version."""

    outcome: Outcome
    says: str
