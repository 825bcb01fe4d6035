"""The body of a request: decompressed while it arrives, so that neither a large nor a dense one fills the memory."""

from __future__ import annotations

import zlib

from starlette.requests import Request

from lamin_core.errors import LaminError, MalformedEvent

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a request, after decompression."""


class TooLarge(LaminError):
    """A body over the limit."""


async def whole(request: Request) -> bytes:
    """All of it. Raises `TooLarge`, and `MalformedEvent` for what is not the gzip it is said to be."""
    inflate = zlib.decompressobj(wbits=31) if request.headers.get("content-encoding") == "gzip" else None
    read = bytearray()
    async for chunk in request.stream():
        try:
            read += chunk if inflate is None else inflate.decompress(chunk, MAX_BODY + 1)
        except zlib.error as error:
            raise MalformedEvent(
                f"not gzip: {error}", hint="leave Content-Encoding out, or compress the body"
            ) from error
        if len(read) > MAX_BODY:
            raise TooLarge(f"a body may have {MAX_BODY} bytes", hint="send fewer events at once")
    return bytes(read)
