"""Servers that start at once: `forked_servers.py FOLDER PORT` imports everything, and forks one for each line it reads.

A line is empty, or a number: then the server counts the calls and returns of our own functions that
take in the second event it is sent, and kills itself with SIGKILL at that one. Each start is
answered with a line: its process id.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from lamin_core.instance.instance import Instance
from lamin_core.server.serve import serve
from openlineage.lamin.http import ingest_routes
from openlineage.lamin.http.app import application

OURS = (
    "/openlineage/lamin/http/",
    "/openlineage/lamin/parsing.py",
    "/openlineage/lamin/receiver.py",
)


def main(folder: Path, port: int) -> None:
    """Fork servers until there are no more lines."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if line.strip():
                _die_at(int(line))
            serve(
                Instance.open(folder / ".lamin").db,
                "127.0.0.1",
                port,
                None,
                lambda _: None,
                application,
            )
            os._exit(0)
        print(child, flush=True)


def _die_at(point: int) -> None:
    """Arm the trap: it counts from the second request on."""
    requests, steps = count(1), count(1)
    armed = threading.Event()

    take_one = ingest_routes._Intake.take_one

    async def counted(self: Any, request: Request) -> Response:
        if next(requests) == 2:
            armed.set()
        return await take_one(self, request)

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        is_ours = any(part in frame.f_code.co_filename for part in OURS)
        if armed.is_set() and is_ours and event in ("call", "return") and next(steps) == point:
            os.kill(os.getpid(), signal.SIGKILL)
        frame.f_trace_lines = False
        return trace

    ingest_routes._Intake.take_one = counted  # type: ignore[method-assign]
    threading.settrace(trace)
    sys.settrace(trace)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
