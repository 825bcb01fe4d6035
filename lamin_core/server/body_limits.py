"""Request bodies: decompressed as they arrive, within limits of size and memory."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.types import Message

from lamin_core.errors import MalformedEvent, Unavailable
from lamin_core.server.responses import HttpRefusal

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a request, before and after decompression."""
MAX_BODIES = 4 * MAX_BODY
"""Bytes of all requests that are being answered, beyond what each has for itself."""
SMALL_BODY = 64 * 1024
"""Bytes that each request has for itself, however many large ones are being answered."""
STALL = 5.0
"""Seconds in which a body brings `SMALL_BODY` bytes more, or ends; a small one: anything at all."""
MAX_CONTAINERS = 1_000_000
"""JSON objects and arrays in a body: each takes up to eighty times the memory of its text."""
MAX_MEMBERS = 10_000
"""Gzip files that follow each other in one body: each costs time, even if nothing is in it."""
_STEP = 1024 * 1024
_UP_TO_CONTAINER = re.compile(rb'(?:[^"\[{]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+[\[{]', re.DOTALL)
"""Everything up to a bracket outside of a string; possessive, so it never goes back."""


class BodyLimits:
    """The bodies in memory at this moment.

    Args:
        limit: bytes of one body.
        room: bytes of all bodies, not counting the first `SMALL_BODY` of each: so small events
            are taken however many large bodies are under way.
        stall: seconds in which a body has to move on.
    """

    def __init__(
        self, limit: int = MAX_BODY, room: int = MAX_BODIES, stall: float | None = None
    ) -> None:
        self._limit = limit
        self._room = room
        self._stall = STALL if stall is None else stall

    @asynccontextmanager
    async def whole(self, request: Request) -> AsyncIterator[bytearray]:
        """Read all of this request's body, which counts as in memory until the request is answered.

        Raises:
            Refused: it is too large (413), broken off (400), compressed in an unknown way (415),
                or does not move on (408).
            MalformedEvent: it is not the gzip that it is said to be.
            Unavailable: too much is in memory already.
        """
        incoming = _Incoming(self._limit, _inflater(request))
        try:
            await self._fill(incoming, request)
            yield incoming.body
        finally:
            self._room += incoming.shared

    async def _fill(self, incoming: _Incoming, request: Request) -> None:
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._limit:
            raise _too_large(self._limit)
        pace = _Pace(self._stall)
        message = await pace.next(request)
        while self._take(incoming, message):
            pace.moved(len(message.get("body", b"")), is_small=not incoming.shared)
            message = await pace.next(request)
        incoming.finish()

    def _take(self, incoming: _Incoming, message: Message) -> bool:
        """Keep what came; return whether more is to come."""
        if message["type"] == "http.disconnect":
            raise HttpRefusal(400, "the connection ended within the body", hint="send it again")
        for piece in incoming.pieces(message.get("body", b"")):
            more = incoming.shared_with(piece) - incoming.shared
            if more > self._room:
                raise Unavailable("too many large bodies at once", hint="send it again in a moment")
            self._room -= more
            incoming.keep(piece)
        return bool(message.get("more_body", False))


class _Incoming:
    """One body as it arrives; `shared` is how many of its bytes are taken from the common room."""

    def __init__(self, limit: int, gzip: _Gzip | None) -> None:
        self.body = bytearray()
        self.shared = 0
        self._limit = limit
        self._gzip = gzip
        self._received = 0

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Decompress what came. Raises `HttpRefusal` when more came than a body may have."""
        self._received += len(chunk)
        if self._received > self._limit:
            raise _too_large(self._limit)
        if self._gzip is None:
            yield chunk
        else:
            yield from self._gzip.pieces(chunk)

    def shared_with(self, piece: bytes) -> int:
        """Return the share of the common room that the body has with this piece."""
        size = len(self.body) + len(piece)
        if size > self._limit:
            raise _too_large(self._limit)
        return max(0, size - SMALL_BODY)

    def keep(self, piece: bytes) -> None:
        """Append this piece of the body."""
        self.shared = self.shared_with(piece)
        self.body += piece

    def finish(self) -> None:
        """Raise `MalformedEvent` unless all of it was there."""
        if self._gzip is not None:
            self._gzip.finish()


class _Pace:
    """Whether a body moves on: one that stalls gives back its room, which others wait for."""

    def __init__(self, stall: float) -> None:
        self._stall = stall
        self._deadline: float | None = None
        self._bytes = 0

    async def next(self, request: Request) -> Message:
        """Wait for the next part. Raises `HttpRefusal` (408) when it does not come in time."""
        if self._deadline is None:  # the first part mostly is the whole, and came with the head
            self._deadline = asyncio.get_running_loop().time() + self._stall
        try:
            async with asyncio.timeout_at(self._deadline):
                return await request.receive()
        except TimeoutError:
            raise HttpRefusal(
                408,
                f"the body did not move on for {self._stall:g} seconds",
                hint="send it again",
                headers={"Connection": "close"},
            ) from None

    def moved(self, size: int, *, is_small: bool) -> None:
        """Note that so many bytes came; a large body needs `SMALL_BODY` of them for more time."""
        self._bytes += size
        if self._bytes >= SMALL_BODY or (is_small and size):
            self._bytes = 0
            self._deadline = asyncio.get_running_loop().time() + self._stall


class _Gzip:
    """Decompresses, a megabyte at a time at most."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._members = 1

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Decompress this chunk of the body."""
        try:
            while chunk:
                if self._stream.eof:
                    self._next_member()
                yield self._stream.decompress(chunk, _STEP)
                chunk = self._stream.unconsumed_tail or self._stream.unused_data
        except zlib.error as error:
            raise _no_gzip(str(error)) from error

    def _next_member(self) -> None:
        """Begin another gzip file: one may follow the other."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise HttpRefusal(
                413,
                f"a body may have {MAX_MEMBERS} gzip files one after the other",
                hint="compress it as one",
            )
        self._stream = zlib.decompressobj(wbits=31)

    def finish(self) -> None:
        """Raise `MalformedEvent` unless all of it was there."""
        if not self._stream.eof:
            raise _no_gzip("it ends too early")


async def decoded(body: bytearray) -> str:
    """Decode the body, and let its bytes go.

    Raises:
        MalformedEvent: it is not UTF-8.
        Refused: it has more than `MAX_CONTAINERS` JSON objects and arrays (413).
    """
    is_suspect = _containers(body) > MAX_CONTAINERS  # perhaps for brackets in its texts alone
    if is_suspect and await asyncio.to_thread(_has_more_containers, body, MAX_CONTAINERS):
        raise HttpRefusal(
            413,
            f"a body may have {MAX_CONTAINERS} JSON objects and arrays, and this has more",
            hint="send fewer events at once, or smaller facets",
        )
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedEvent(f"not JSON: {error}", hint="send JSON in UTF-8") from error
    body.clear()
    return text


def _containers(body: bytes | bytearray) -> int:
    return body.count(b"{") + body.count(b"[")


def _has_more_containers(body: bytes | bytearray, limit: int) -> bool:
    """Whether there are more objects and arrays than this; brackets within strings are none.

    >>> body = b'[{"a[": "{["}]'
    >>> _has_more_containers(body, 1), _has_more_containers(body, 2)
    (True, False)
    """
    position = 0
    for _ in range(limit + 1):
        container = _UP_TO_CONTAINER.match(body, position)
        if container is None:
            return False
        position = container.end()
    return True


def _too_large(limit: int) -> HttpRefusal:
    return HttpRefusal(413, f"a body may have {limit} bytes", hint="send fewer events at once")


def _no_gzip(problem: str) -> MalformedEvent:
    return MalformedEvent(
        f"not gzip: {problem}", hint="leave Content-Encoding out, or compress the body"
    )


def _inflater(request: Request) -> _Gzip | None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        return _Gzip()
    if encoding in ("identity", ""):
        return None
    raise HttpRefusal(
        415, f"Content-Encoding {encoding!r} is not understood", hint="send gzip, or no compression"
    )
