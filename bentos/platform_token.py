"""What the platform shows with its own requests, so that a caller cannot pass for it."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Mapping

PROBE = b"x-tidewheel-probe"
"""Header of a question that a release asks to see whether the model answers right."""
COPY = b"x-tidewheel-copy"
"""Header that the router gives a copied request, whose answer it throws away."""


def shows(headers: Mapping[bytes, bytes], name: bytes, token: bytes) -> bool:
    """Whether a request shows the platform's token in a header; nobody can where there is none."""
    shown = headers.get(name)
    return bool(token) and shown is not None and hmac.compare_digest(shown, token)


def share_of(request_id: str, token: bytes) -> float:
    """Where a request stands between 0 and 1: the same in both colours, and not for a caller to choose."""
    if not token:
        return zlib.crc32(request_id.encode()) / 2**32
    digest = hashlib.blake2b(request_id.encode(), digest_size=4, key=token[: hashlib.blake2b.MAX_KEY_SIZE]).digest()
    return int.from_bytes(digest, "big") / 2**32
