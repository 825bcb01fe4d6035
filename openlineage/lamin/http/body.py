"""The body of a request: decompressed while it arrives, so that neither a large nor a dense one fills the memory."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.types import Message

from lamin_core.errors import MalformedEvent, Unavailable
from openlineage.lamin.http.answers import Refused

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a request, after decompression."""
MAX_BODIES = 4 * MAX_BODY
"""Bytes of all requests that are being answered."""
_STEP = 1024 * 1024


class Bodies:
    """The bodies that are held at this moment; there is room for `room` bytes of them."""

    def __init__(self, limit: int = MAX_BODY, room: int = MAX_BODIES) -> None:
        self._limit = limit
        self._room = room

    @asynccontextmanager
    async def whole(self, request: Request) -> AsyncIterator[bytearray]:
        """All of this request's body, counted as held until the request is answered.

        Raises `Refused` for one that is too large, broken off or compressed in an unknown way, `MalformedEvent` for
        what is not the gzip it is said to be, and `Unavailable` when too much is held already.
        """
        body = bytearray()
        held = 0
        try:
            await self._fill(body, request)
            held = len(body)
            yield body
        finally:
            self._room += max(held, len(body))

    async def _fill(self, body: bytearray, request: Request) -> None:
        inflate = _inflater(request)
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._limit:
            raise self._too_large()
        while self._take(body, await request.receive(), inflate):
            pass
        if inflate is not None:
            inflate.finish()

    def _take(self, body: bytearray, message: Message, inflate: _Gzip | None) -> bool:
        """Hold what came; whether more is to come."""
        if message["type"] == "http.disconnect":
            raise Refused(400, "the connection ended within the body", hint="send it again")
        chunk = message.get("body", b"")
        for piece in (chunk,) if inflate is None else inflate.pieces(chunk):
            self._hold(body, piece)
        return bool(message.get("more_body", False))

    def _hold(self, body: bytearray, piece: bytes) -> None:
        if len(body) + len(piece) > self._limit:
            raise self._too_large()
        if len(piece) > self._room:
            raise Unavailable("too many large bodies at once", hint="send it again in a moment")
        self._room -= len(piece)
        body += piece

    def _too_large(self) -> Refused:
        return Refused(413, f"a body may have {self._limit} bytes", hint="send fewer events at once")


class _Gzip:
    """Decompresses, a megabyte at a time at most."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What this chunk holds."""
        try:
            while chunk:
                if self._stream.eof:  # one gzip file may follow another
                    self._stream = zlib.decompressobj(wbits=31)
                yield self._stream.decompress(chunk, _STEP)
                chunk = self._stream.unconsumed_tail or self._stream.unused_data
        except zlib.error as error:
            raise _no_gzip(str(error)) from error

    def finish(self) -> None:
        """Raise `MalformedEvent` unless all of it was there."""
        if not self._stream.eof:
            raise _no_gzip("it ends too early")


def decoded(body: bytearray) -> str:
    """Its text; the bytes are let go. Raises `MalformedEvent`."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedEvent(f"not JSON: {error}", hint="send JSON in UTF-8") from error
    body.clear()
    return text


def _no_gzip(problem: str) -> MalformedEvent:
    return MalformedEvent(f"not gzip: {problem}", hint="leave Content-Encoding out, or compress the body")


def _inflater(request: Request) -> _Gzip | None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        return _Gzip()
    if encoding in ("identity", ""):
        return None
    raise Refused(415, f"Content-Encoding {encoding!r} is not understood", hint="send gzip, or no compression")
