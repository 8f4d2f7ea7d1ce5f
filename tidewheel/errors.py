"""Every error Tidewheel raises on purpose, in one tree.

TidewheelError
├── UsageError            the call cannot be carried out as it is (exit code 2)
│   ├── SpecError         a pipeline file is wrong
│   ├── SettingsError     a setting, port or prerequisite of this machine is wrong
│   └── ModelRefused      a fitted model could not be scored or served, or no fit came to its end
├── DataRefused           the data breaks a rule; it is in quarantine (exit code 3, never retried)
├── SourceError           a source has no data for this (yet), or does not answer (may be retried)
├── LakeError             a batch is missing or is not what its manifest says
├── LedgerError           the ledger is unreachable or holds something contradictory
├── RegistryError         the model registry has no such model, version or file
├── ReleaseError          a stage of a release failed; the live colour still answers
└── PlatformError         a process of the platform did not start, answer or stop

A message names the thing, what was found, what was expected and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What a job's exit status means to its caller."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    DATA_REFUSED = 3
    DIFFERENT = 4


class TidewheelError(Exception):
    """Anything Tidewheel refuses or fails to do, in words a person can act on."""

    exit_code = ExitCode.FAILED


class UsageError(TidewheelError):
    """The call cannot be carried out as it is; trying again will not help."""

    exit_code = ExitCode.WRONG_USAGE


class SpecError(UsageError):
    """A pipeline file is wrong; the message names file, key, what was found and what is expected."""


class SettingsError(UsageError):
    """A setting, a port or a prerequisite of this machine is wrong."""


class ModelRefused(UsageError):
    """A team's model could be fitted but not scored or served, or could not be fitted at all: its code must change."""


class DataRefused(TidewheelError):
    """Data breaks a rule. The batch is in quarantine and nothing downstream may start."""

    exit_code = ExitCode.DATA_REFUSED


class SourceError(TidewheelError):
    """A source has no data for this yet, or does not answer. Trying again later may help."""


class LakeError(TidewheelError):
    """A batch is missing, or its files are not what its manifest says."""


class LedgerError(TidewheelError):
    """The ledger cannot be reached, or holds something contradictory."""


class RegistryError(TidewheelError):
    """The model registry has no such model, version or file."""


class ReleaseError(TidewheelError):
    """A stage of a release failed. The live colour is untouched and still answers."""


class PlatformError(TidewheelError):
    """A process of the platform did not start, answer or stop as expected."""


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """Return ``", did you mean 'x'?"`` for the nearest known spelling, or an empty string."""
    nearest = difflib.get_close_matches(found, list(known), n=1, cutoff=0.6)
    return f", did you mean {nearest[0]!r}?" if nearest else ""
