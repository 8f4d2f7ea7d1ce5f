"""Bodies that are compressed for their way: unpacked up to a limit, or refused with what is accepted."""

from __future__ import annotations

import zlib

from bentos.problems import RequestRefused, refused_body, shortened

LARGEST_BODY = 32 << 20
"""Bytes of a body, as it arrives and unpacked."""
GZIP = b"gzip"
ACCEPTED = GZIP.decode()
AS_IT_IS = frozenset({b"", b"identity"})
GZIP_NAMES = frozenset({GZIP, b"x-gzip"})
MOST_MEMBERS = 100
WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


class TooLarge(Exception):
    """It unpacks to more than the limit."""


def is_packed(encoding: bytes) -> bool:
    """Whether a body with this content encoding must be unpacked.

    Raises:
        RequestRefused: it is encoded in a way that is not accepted.
    """
    if encoding in AS_IT_IS:
        return False
    if encoding in GZIP_NAMES:
        return True
    name = shortened(encoding.decode(errors="replace"))
    expected = f"{ACCEPTED}, or a body that is not encoded"
    raise refused_body(415, f"content encoding {name!r}: expected {expected}", name, expected)


def unpacked(body: bytes | bytearray, limit: int) -> bytes:
    """Unpack a gzip body.

    Args:
        body: one member or several.
        limit: bytes; no more than these and a few are ever unpacked.

    Raises:
        TooLarge: there are more.
        RequestRefused: it is no gzip, or not whole.
    """
    parts: list[bytes] = []
    size, rest = 0, bytes(body)
    while rest or not parts:
        member = zlib.decompressobj(WITH_GZIP_HEADER)
        try:
            part = member.decompress(rest, limit - size + 1)
        except zlib.error as error:
            raise _broken(str(error)) from None
        size += len(part)
        if size > limit:
            raise TooLarge
        if not member.eof:
            raise _broken("it ends before its end")
        parts.append(part)
        rest = member.unused_data
        if len(parts) > MOST_MEMBERS:
            raise _broken(f"it has more than {MOST_MEMBERS} members")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def too_large(limit: int) -> RequestRefused:
    """Refuse a body for what it unpacks to."""
    return RequestRefused(413, f"the body unpacks to more than {limit >> 20} MiB; send its rows in several")


def _broken(why: str) -> RequestRefused:
    return refused_body(
        400, f"the body is not gzip, which its content-encoding says: {why}", "something else", ACCEPTED
    )
