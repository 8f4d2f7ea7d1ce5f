"""What a message of an Arrow stream says of itself, before Arrow unpacks it.

A few compressed bytes may claim to be gigabytes, and Arrow believes them. Its own interface does not tell whether a
batch is compressed, so this reads that one field of the message, a flatbuffer:
https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
"""

from __future__ import annotations

import struct

import pyarrow as pa

from bentos.problems import RequestRefused

MOST_MESSAGES = 2_000
"""Batches and dictionaries of one stream."""
# Numbers of the fields in Arrow's Message.fbs.
HEADER, DICTIONARY_DATA, COMPRESSION = 2, 1, 3


def check_messages(stream: bytes | bytearray) -> None:
    """Refuse a stream that is compressed, or in too many pieces.

    Raises:
        RequestRefused: it is.
        pyarrow.ArrowException: it is no Arrow stream.
        OSError: it ends in the middle of a message.
    """
    for count, message in enumerate(pa.ipc.MessageReader.open_stream(pa.py_buffer(stream))):
        if count > MOST_MESSAGES:
            sentence = f"the Arrow stream has more than {MOST_MESSAGES} batches and dictionaries; combine them"
            raise RequestRefused(413, sentence)
        if _is_compressed(message):
            raise RequestRefused(422, "the Arrow stream is compressed: send it uncompressed, or as Parquet")


def _is_compressed(message: pa.ipc.Message) -> bool:
    if message.type not in ("record batch", "dictionary"):
        return False
    data = message.metadata.to_pybytes()  # Arrow has verified the flatbuffer when it read the message
    (root,) = struct.unpack_from("<I", data)
    batch = _table(data, root, HEADER)
    if message.type == "dictionary":
        batch = _table(data, batch, DICTIONARY_DATA)
    return bool(_field(data, batch, COMPRESSION))


def _field(data: bytes, table: int, number: int) -> int:
    """Place of a field of a flatbuffer table, 0 where the table has it not."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    (size,) = struct.unpack_from("<H", data, vtable)
    entry = 4 + 2 * number
    offset: int = struct.unpack_from("<H", data, vtable + entry)[0] if entry < size else 0
    return table + offset if offset else 0


def _table(data: bytes, table: int, number: int) -> int:
    """Place of the table that a field points to."""
    field = _field(data, table, number)
    return field + int(struct.unpack_from("<I", data, field)[0])
