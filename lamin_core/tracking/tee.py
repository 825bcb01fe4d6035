"""A separate program that copies its input to the original output and into a file.

    python copying.py FILE FROM:TO FROM:TO ...

It ends when nobody can write any more, be it long after who has started it: so it needs nothing but
Python itself.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import sys

_PIECE = 1 << 16


def copy(ways: dict[int, int], file: int) -> None:
    """Copy until all of them are closed; if the other reader closes its end, the file still gets everything."""
    with selectors.DefaultSelector() as ready:
        for source in ways:
            ready.register(source, selectors.EVENT_READ)
        while ready.get_map():
            for key, _ in ready.select():
                piece = _read(key.fd)
                if not piece:
                    ready.unregister(key.fd)
                    continue
                for target in (ways[key.fd], file):
                    with contextlib.suppress(OSError):
                        _write(target, piece)


def _read(source: int) -> bytes:
    try:
        return os.read(source, _PIECE)
    except OSError:  # how a pseudo-terminal says that it was closed
        return b""


def _write(target: int, piece: bytes) -> None:
    while piece:
        piece = piece[os.write(target, piece) :]


if __name__ == "__main__":
    copy(
        {int(source): int(target) for source, target in (pair.split(":") for pair in sys.argv[2:])},
        os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600),
    )
