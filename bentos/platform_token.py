"""What the platform shows with its own requests, so that a caller cannot pass for it."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Mapping

PROBE = b"x-tidewheel-probe"
"""Header of a request by which a release checks the predictions of a model."""
COPY = b"x-tidewheel-copy"
"""Header that the router gives a copied request, whose answer it throws away."""
COLOURS = (b"blue", b"green")


def shows(headers: Mapping[bytes, bytes], name: bytes, token: bytes) -> bool:
    """Whether a request shows the platform's token in a header; never where there is no token."""
    shown = headers.get(name)
    return bool(token) and shown is not None and hmac.compare_digest(shown, token)


def copy_marks(token: bytes, colour: str) -> tuple[bytes, ...]:
    """What a copy shows in `COPY` to the process of a colour; nothing where there is no token.

    A router that can mark copies shows the token. One that can only mark requests shows to which colour it has sent
    them, and the copy of a request shows the same: a request that was sent to the other colour is here as a copy.
    """
    if not token:
        return ()
    return (token, *(routed_mark(token, other) for other in COLOURS if other != colour.encode()))


def routed_mark(token: bytes, colour: bytes) -> bytes:
    """What a request shows that the router has sent to a colour; who sees it learns nothing of the token."""
    return hmac.new(token, b"routed to " + colour, hashlib.sha256).hexdigest().encode()


def is_copy(headers: Mapping[bytes, bytes], marks: tuple[bytes, ...]) -> bool:
    """Whether a request is a copy that the router has made, see `copy_marks`."""
    shown = headers.get(COPY)
    return shown is not None and any(hmac.compare_digest(shown, mark) for mark in marks)


def share_of(request_id: str, token: bytes) -> float:
    """Where a request stands between 0 and 1: the same in both colours, and not for a caller to choose."""
    if not token:
        return zlib.crc32(request_id.encode()) / 2**32
    digest = hashlib.blake2b(request_id.encode(), digest_size=4, key=token[: hashlib.blake2b.MAX_KEY_SIZE]).digest()
    return int.from_bytes(digest, "big") / 2**32
