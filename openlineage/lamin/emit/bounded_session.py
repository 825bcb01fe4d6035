"""The session of requests that openlineage-python posts with, such that no answer costs memory or is taken for a yes.

Loaded where an `http` transport is configured alone: requests is a dependency of
openlineage-python, not of ours.
"""

from __future__ import annotations

import time
from typing import Any

import requests

from lamin_core.errors import Unavailable
from lamin_core.runtime.redaction import redact_text
from openlineage.lamin.emit.acknowledgement import MAX_ANSWER, missing_acknowledgement

PATIENCE = 10.0
"""Seconds for the body of an answer."""
_STEP = 1 << 16


class BoundedSession(requests.Session):
    """Follows no redirect, reads `MAX_ANSWER` bytes of an answer at most, and raises for what acknowledges nothing.

    An answer of 400 or above is returned, for the client to raise: some of them refuse the event
    for good.
    """

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send the request. Raises `Unavailable` for a redirect, and for a 2xx that is not an acknowledgement."""
        options |= {"stream": True, "allow_redirects": False}
        response = super().send(request, **options)
        body = _read(response)
        response._content = body[:MAX_ANSWER]
        response._content_consumed = True
        response.close()
        if response.status_code < 400:
            problem = missing_acknowledgement(
                response.status_code, body, response.headers.get("Location")
            )
            if problem is not None:
                hint = "mend the url and endpoint of this transport in openlineage.yml"
                raise Unavailable(f"{redact_text(str(request.url))} {problem}", hint=hint)
        return response


def _read(response: requests.Response) -> bytes:
    """The body, or more than `MAX_ANSWER` bytes of it; what comes later than `PATIENCE` is not waited for."""
    deadline = time.monotonic() + PATIENCE
    body = bytearray()
    while len(body) <= MAX_ANSWER:
        # What has arrived, not as much as fits: who drips would never fill a step.
        chunk = response.raw.read1(_STEP, decode_content=True)
        if not chunk:
            return bytes(body)
        body += chunk
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout(f"the answer did not end in {PATIENCE:g} s")
    return bytes(body)
