"""Texts of an Arrow column: how long they are before they are copied, and as codes and distinct values."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bentos.encoding import Coded
from bentos.problems import LONGEST_VALUE, NAMED_PROBLEMS
from bentos.request_schema import LONGEST_TEXT

BYTES_PER_CHARACTER = 4
"""At most, in UTF-8: a text of more bytes than that is too long in characters too."""
Lengths = np.ndarray[Any, np.dtype[np.int64]]


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts: as they are, or as one dictionary of them."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_string_view(plain))


def kind_name(kind: pa.DataType) -> str:
    """A type in a word: what nests may have a hundred thousand fields, and Arrow would write all of them."""
    if pa.types.is_primitive(kind) or pa.types.is_null(kind) or is_text(kind) or pa.types.is_binary(kind):
        return str(kind)[:LONGEST_VALUE]
    name = type(kind).__name__.removesuffix("Type").lower()
    return str(kind)[:LONGEST_VALUE] if name == "data" else name  # of a type without a class of its own


def held_bytes(values: pa.Array, dictionaries: set[int]) -> int:
    """Bytes that an array holds, each text at its own length however many share it.

    Args:
        values: numbers or texts.
        dictionaries: addresses of the dictionaries that have been counted; this one's is added.
    """
    if pa.types.is_dictionary(values.type):
        # Batches share a dictionary: it is in memory once.
        address = next((buffer.address for buffer in reversed(values.dictionary.buffers()) if buffer), 0)
        known = address in dictionaries
        dictionaries.add(address)
        return int(values.indices.nbytes) + (0 if known else held_bytes(values.dictionary, dictionaries))
    if pa.types.is_string_view(values.type):
        return int(_lengths(values).sum()) + 16 * len(values)
    return int(values.nbytes)


def coded_texts(values: pa.Array, longest: int) -> tuple[Coded, frozenset[int]]:
    """A column of texts as codes and distinct values.

    Args:
        values: texts, a dictionary of them, or nulls.
        longest: characters of the longest text that is taken.

    Returns:
        The column, and the places of those of its values that have more bytes than so many characters can have: of
        them only the beginning was read.
    """
    most_bytes = BYTES_PER_CHARACTER * longest
    if not pa.types.is_dictionary(values.type):
        values = values.cast(pa.string()).dictionary_encode()
    codes = values.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    used, places = np.unique(codes, return_inverse=True)
    present, distinct = used[used >= 0], values.dictionary
    lengths = _lengths(distinct)[present]
    cut = np.flatnonzero(lengths > most_bytes)
    texts = _at(distinct, present[lengths <= most_bytes])
    for place in cut:  # in their order, so that each lands where its code is
        texts.insert(int(place), "")
    for place in islice(cut, NAMED_PROBLEMS):
        texts[place] = _beginning(distinct, int(present[place]))
    missing = len(used) - len(present)
    coded = Coded(places.astype(np.intp).ravel(), (*[None] * missing, *texts))
    return coded, frozenset(int(place) + missing for place in cut)


def _at(texts: pa.Array, places: Lengths) -> list[str | None]:
    """The texts in some places."""
    if pa.types.is_string_view(texts.type):  # Arrow takes none of these from an array
        return [texts[int(place)].as_py() for place in places]
    taken: list[str | None] = texts.take(pa.array(places)).to_pylist()
    return taken


def _lengths(texts: pa.Array) -> Lengths:
    """Bytes of each text, 0 for a missing one."""
    if pa.types.is_string_view(texts.type):
        _, views, *_ = texts.buffers()
        # Each view is 16 bytes, the first four of them the length:
        # https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
        sizes = np.frombuffer(views, np.uint32)[4 * texts.offset :: 4][: len(texts)].astype(np.int64)
        return np.where(texts.is_null().to_numpy(zero_copy_only=False), 0, sizes)
    lengths: Lengths = pc.binary_length(texts).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return lengths


def _beginning(texts: pa.Array, place: int) -> str:
    one = texts.slice(place, 1)
    beginning: str = pc.utf8_slice_codeunits(one.cast(pa.large_string()), 0, LONGEST_TEXT)[0].as_py()
    return beginning
