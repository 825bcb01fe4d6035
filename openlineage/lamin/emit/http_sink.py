"""Events over HTTP, to this registry's server or to any other that speaks OpenLineage."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import socket
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from lamin_core.enums import DEFAULT_PORT
from lamin_core.errors import Unavailable
from lamin_core.runtime.redaction import redact_text
from openlineage.lamin.emit.acknowledgement import (
    FINAL_REFUSALS,
    HINT,
    MAX_ANSWER,
    missing_acknowledgement,
)
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.sinks import PermanentRejection, Sink, serialize

COMPRESS_ABOVE = 64 << 10
"""Bytes of a body; smaller ones go as they are."""
_PAUSES = (0.0, 0.1, 0.3)
_NO_BATCHES = {404, 405, 501}


class _Answer(NamedTuple):
    status: int
    text: bytes
    location: str | None

    @property
    def problem(self) -> str | None:
        """Why it acknowledges nothing."""
        return missing_acknowledgement(self.status, self.text, self.location)


class _Arriving(io.RawIOBase):
    """The bytes that arrive over a connection until the deadline, in pieces of any size: a pause between two bytes is
    limited by the time limit of the socket, but the sum of many pauses is not."""

    def __init__(self, arriving: io.RawIOBase, connection: socket.socket, deadline: float) -> None:
        self._arriving = arriving
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        """Always True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there. Raises `TimeoutError` after the deadline."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the answer did not end in time")
        self._connection.settimeout(seconds)
        return self._arriving.readinto(buffer)

    def close(self) -> None:
        """Close what it reads from."""
        self._arriving.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer that has arrived by the deadline, head and body, or raises `TimeoutError`."""

    def __init__(
        self, connection: socket.socket, *arguments: Any, deadline: float, **named: Any
    ) -> None:
        super().__init__(connection, *arguments, **named)
        arriving = self.fp.detach()
        self.fp = io.BufferedReader(_Arriving(arriving, connection, deadline))


class HttpSink(Sink):
    """Post events to an OpenLineage endpoint over one kept connection.

    Several at once go to `{url}/batch`; where nobody knows that address, one by one. `timeout` is
    in seconds, for each request with its retries and all of the answer: connection errors and 503
    are tried again. Raises `Unavailable` when the endpoint cannot be reached or answers with an
    error or what is no acknowledgement, `PermanentRejection` when it took all but some events.
    """

    def __init__(self, url: str, api_key: str | None = None, timeout: float = 2.0) -> None:
        self.url = url
        self._shown = redact_text(url)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unavailable(
                f"not an HTTP address: {url!r}",
                hint=f"set OPENLINEAGE_URL=http://127.0.0.1:{DEFAULT_PORT}",
            )
        api_key = (api_key or "").strip()  # a variable that is set to nothing is no key
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._batches: str | None = f"{parts.path.rstrip('/')}/batch"
        self._compress = True
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._timeout = timeout
        self._connection = kind(parts.hostname, parts.port, timeout=timeout)

    def emit(self, *events: Event | bytes) -> None:
        """Post them; returns when the endpoint has acknowledged every one."""
        lines = [serialize(event) for event in events]
        reasons = self._post_batch(lines) if len(lines) > 1 else None
        if reasons is None:
            reasons = self._post_each(dict(enumerate(lines)))
        if reasons:
            raise PermanentRejection(reasons)

    def _post_batch(self, lines: Sequence[bytes]) -> dict[int, str] | None:
        """Why some were refused; None where all must be sent singly."""
        if self._batches is None:
            return None
        answer = self._post(self._batches, b"[" + b",".join(lines) + b"]")
        if answer.status in _NO_BATCHES:
            self._batches = None
        if answer.status in _NO_BATCHES | FINAL_REFUSALS:
            return None
        self._check(answer)
        failed = _failures(answer)
        if (
            failed is None
        ):  # it does not say which: those that it took are known to it when they come again
            return None
        again = {
            index: lines[index]
            for index, (_, retriable) in failed.items()
            if retriable and index < len(lines)
        }
        return {
            **{
                index: reason
                for index, (reason, _) in failed.items()
                if index < len(lines) and index not in again
            },
            **self._post_each(again),
        }

    def _post_each(self, lines: Mapping[int, bytes]) -> dict[int, str]:
        reasons = {}
        for index, line in lines.items():
            answer = self._post(self._path, line)
            if answer.status in FINAL_REFUSALS:
                reasons[index] = f"{self._shown} {answer.problem}"
            else:
                self._check(answer)
        return reasons

    def _check(self, answer: _Answer) -> None:
        if answer.problem is None:
            return
        hint = None
        if answer.status in (401, 403):
            hint = "set OPENLINEAGE_API_KEY"
        elif answer.status < 400:
            hint = HINT
        raise Unavailable(f"{self._shown} {answer.problem}", hint=hint)

    def _post(self, path: str, body: bytes) -> _Answer:
        if self._compress and len(body) > COMPRESS_ABOVE:
            answer = self._try(
                path, gzip.compress(body, 1), {**self._headers, "Content-Encoding": "gzip"}
            )
            if answer.status not in FINAL_REFUSALS:
                return answer
            self._compress = answer.status == 413  # whoever does not know gzip sees no JSON
        return self._try(path, body, self._headers)

    def _try(self, path: str, body: bytes, headers: Mapping[str, str]) -> _Answer:
        deadline = time.monotonic() + self._timeout
        answer, problem = None, "no answer"
        for pause in _PAUSES:
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            try:
                answer = self._send(path, body, headers, remaining)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                answer, problem = None, str(error) or type(error).__name__
                continue
            if answer.status != 503:
                break
        if answer is None:
            raise Unavailable(f"{self._shown} cannot be reached: {problem}")
        return answer

    def _send(self, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> _Answer:
        self._connection.timeout = timeout
        deadline = time.monotonic() + timeout
        self._connection.response_class = partial(_Response, deadline=deadline)  # type: ignore[assignment]
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        self._connection.request("POST", path, body, dict(headers))
        answer = self._connection.getresponse()
        text = answer.read(MAX_ANSWER + 1)
        if len(text) > MAX_ANSWER:
            self._connection.close()  # the rest of it is not waited for
        elif answer.length:
            raise http.client.IncompleteRead(text, answer.length)
        else:
            answer.read()  # the end of the last chunk, so that the connection serves the next request
        return _Answer(answer.status, text, answer.getheader("Location"))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _failures(answer: _Answer) -> dict[int, tuple[str, bool]] | None:
    """The refused events of a batch by their place: why, and whether to send them again. Source: OpenLineage.yml.

    None where some were refused that are not listed.
    """
    try:
        verdicts: Any = json.loads(answer.text)
        rows = verdicts.get("failed_events") or []
        failed = {
            int(row["index"]): (str(row.get("reason")), bool(row.get("retriable"))) for row in rows
        }
        count = (verdicts.get("summary") or {}).get("failed") or 0
    except (ValueError, AttributeError, TypeError, KeyError):  # any other acknowledgement is a yes
        return {}
    return None if isinstance(count, int) and count > len(failed) else failed
