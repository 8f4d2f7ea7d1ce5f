"""A request to `/predict` before its body: what method, headers and query say."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from bentos.content_encoding import is_packed
from bentos.problems import RequestRefused, problem, shortened

if TYPE_CHECKING:
    from starlette.types import Scope

JSON, ARROW, PARQUET = b"application/json", b"application/vnd.apache.arrow.stream", b"application/vnd.apache.parquet"
CONTENT_TYPES = (JSON, ARROW, PARQUET)
EXPLAIN = "explain"
TRUTHS = {"true": True, "false": False}
MOST_QUERY_FIELDS = 100
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Method, headers and query of a request.

    Attributes:
        headers: by lower-case name; of several of one name the last.
        request_id: the caller's, or a new one.
        query: what follows the question mark of the address.
    """

    method: str
    headers: dict[bytes, bytes]
    request_id: str
    query: bytes = b""

    @classmethod
    def of(cls, scope: Scope) -> RequestHead:
        """The head of a request in an ASGI scope."""
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        return cls(scope["method"], headers, request_id, scope.get("query_string", b""))

    @property
    def content_type(self) -> bytes:
        """Of the body, without parameters."""
        return self.headers.get(b"content-type", JSON).partition(b";")[0].strip().lower()

    @property
    def wants_arrow(self) -> bool:
        """Whether the answer shall be an Arrow stream."""
        return ARROW in self.headers.get(b"accept", b"")

    @property
    def explains(self) -> bool:
        """Whether the answer shall say what each field has added to the predictions.

        Raises:
            RequestRefused: the query says neither that it shall nor that it shall not.
        """
        if not self.query:
            return False
        try:
            fields = parse_qs(self.query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_QUERY_FIELDS)
        except ValueError:
            raise RequestRefused(422, f"the query has more than {MOST_QUERY_FIELDS} fields") from None
        values = {value.lower() for value in fields.get(EXPLAIN, ["false"])}
        if len(values) == 1 and values <= TRUTHS.keys():
            return TRUTHS[values.pop()]
        shown = shortened(", ".join(fields[EXPLAIN]))
        raise RequestRefused(
            422,
            f"{EXPLAIN} in the query is {shown!r}: expected true or false",
            [problem(None, EXPLAIN, shown, "true or false")],
        )

    @property
    def is_packed(self) -> bool:
        """Whether the body is compressed in a way that is accepted.

        Raises:
            RequestRefused: it is encoded in another way.
        """
        encoding = self.headers.get(b"content-encoding")
        return encoding is not None and is_packed(encoding.strip().lower())
