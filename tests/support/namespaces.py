"""A process in a network of its own, which reaches nothing of this machine but some ports, and does not see a folder.

    with island(hidden, 4200) as command:
        subprocess.run([*command, sys.executable, "script.py"])

In there, `127.0.0.1:4200` is relayed through a socket in a folder, the only thing that both networks see.
"""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNSHARE = ("unshare", "--map-root-user", "--net", "--mount")
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def refusal() -> str:
    """Why this machine makes no namespaces for this user; empty where it does."""
    if shutil.which(_UNSHARE[0]) is None:
        return "no program unshare"
    done = subprocess.run(
        [*_UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


@contextmanager
def island(hidden: Path, *ports: int) -> Iterator[list[str]]:
    """The beginning of a command that runs there; `hidden` is an empty folder in there."""
    sockets = Path(tempfile.mkdtemp(prefix="lamin-net-"))
    relay = [sys.executable, __file__, str(sockets)]
    with subprocess.Popen([*relay, *map(str, ports)]) as process:
        while len(list(sockets.iterdir())) < len(ports):
            assert process.poll() is None
            time.sleep(0.05)
        try:
            yield [*_UNSHARE, *relay, str(hidden)]
        finally:
            process.kill()
            shutil.rmtree(sockets)


async def _relay_out(path: Path, port: int) -> asyncio.Server:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join(reader, writer, *await asyncio.open_connection("127.0.0.1", port))

    return await asyncio.start_unix_server(connect, path)


async def _relay_in(path: Path) -> asyncio.Server:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join(reader, writer, *await asyncio.open_unix_connection(path))

    return await asyncio.start_server(connect, "127.0.0.1", int(path.name))


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        return
    writer.close()


async def _outside(sockets: Path, *ports: str) -> int:
    for port in ports:
        await _relay_out(sockets / port, int(port))
    return await asyncio.Event().wait()


async def _inside(sockets: Path, hidden: str, *command: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(probe, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
    subprocess.run(["mount", "-t", "tmpfs", "none", hidden], check=True)
    relays = [await _relay_in(path) for path in sorted(sockets.iterdir())]
    process = await asyncio.create_subprocess_exec(*command)
    code = await process.wait()
    for relay in relays:
        relay.close()
    return code


if __name__ == "__main__":
    main = _outside if sys.argv[2].isdigit() else _inside
    raise SystemExit(asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:])))
