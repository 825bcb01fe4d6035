"""Whether an answer says that events were taken: any page of the web answers 200, a receiver answers little or JSON.

Receivers differ: Marquez answers 201 with nothing, OpenMetadata and this server with a JSON object,
others with 204, or with a word such as `OK`. A login page, the start page of another service and a
redirect to either are none of that. `integrations/nextflow_plugin` has the same rule in
`HttpSink.java`.
"""

from __future__ import annotations

import json

FINAL_REFUSALS = frozenset({400, 409, 411, 413, 414, 415, 422})
"""Statuses that say what is wrong with one event, not with the receiver, the key or the time: it is not sent again."""
MAX_ANSWER = 1 << 20
"""Bytes of an answer that are read; no receiver says more."""
MAX_WORDS = 100
"""The number of characters that are quoted of a response that is not JSON."""
HINT = "set OPENLINEAGE_URL to the address of an OpenLineage receiver"


def missing_acknowledgement(status: int, body: bytes, location: str | None = None) -> str | None:
    """Say why this answer acknowledges nothing; None where it does.

    Args:
        status: of the answer.
        body: what was read of it, more than `MAX_ANSWER` bytes where it goes on.
        location: of a redirect.

    >>> missing_acknowledgement(201, b""), missing_acknowledgement(200, b'{"status": "success"}')
    (None, None)
    >>> missing_acknowledgement(200, b"OK")
    >>> missing_acknowledgement(200, b"<!doctype html><title>Sign in</title>")
    'answered 200 with a page, which is no acknowledgement'
    >>> missing_acknowledgement(302, b"", "https://sso.example/login")
    "answered 302: it redirects to 'https://sso.example/login'"
    """
    if 300 <= status < 400:
        return f"answered {status}: it redirects to {printable(location or '')!r}"
    if not 200 <= status < 300:
        return f"answered {status}: {printable(body[:200].decode(errors='replace'))}"
    if len(body) > MAX_ANSWER:
        return f"answered {status} with more than {MAX_ANSWER} bytes, which is no acknowledgement"
    text = body.decode("utf-8-sig", "replace").strip()
    if text.startswith("<"):
        return f"answered {status} with a page, which is no acknowledgement"
    if len(text) <= MAX_WORDS or _is_json(text):
        return None
    start = printable(text[:40])
    return f"answered {status} with text that is no acknowledgement: {start!r}..."


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def printable(text: str) -> str:
    """Replace what a terminal would obey: the text comes from a stranger, and goes into a warning.

    >>> printable("no\\x1b[31m")
    'no [31m'
    """
    return "".join(character if character.isprintable() else " " for character in text)
