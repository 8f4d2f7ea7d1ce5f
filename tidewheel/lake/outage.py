"""What an object store that does not answer is called; its client's own errors name an address and nothing to do."""

from __future__ import annotations

import sys


def outage_sentence(error: Exception) -> str | None:
    """What is wrong with the lake's store, and what to do; None where it is another kind of error.

    Args:
        error: as the client of the store raised it, after its own retries.
    """
    client = sys.modules.get("botocore.exceptions")  # without it, nothing of its kind can have been raised
    if client is None or not isinstance(error, (client.ConnectionError, client.HTTPClientError)):
        return None
    return (
        f"the lake's store does not answer: {error}; see that it is up and reached from here (TIDEWHEEL_LAKE_URL, "
        "endpoint_url in TIDEWHEEL_LAKE_OPTIONS); then run the job again"
    )
