"""Processes that die while they save: `killed_saves.py` imports everything, and forks one for each line it reads.

A line is JSON: the instance's folder, what to save, and the number of the step to die at. Steps are
the calls and returns of our own functions that move bytes and rows, and of whatever those call in
C: each `open`, `fsync`, `rename`, each statement. At 0 it lives, and answers with the number of
steps there were; else with minus the signal.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import lamin_core as ln
from lamin_core import saving  # noqa: F401 - so that a child need not import them
from lamin_core.saving import artifacts  # noqa: F401
from lamin_core.storage import blobs, s3_multipart

OURS = ("/copies.py", "/multipart.py", "/remote.py", "/db.py", "/bulk.py", "/saving/", "/files.py")


def main() -> None:
    """Fork until there are no more lines."""
    blobs._PIECE = 1 << 20
    s3_multipart.PART = 5 << 20  # the least that a store takes
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _save(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _save(folder: str, source: str, key: str, at: int) -> None:
    os.chdir(folder)
    ln.connect()
    ln.Artifact.count()  # the instance is open, and its storages are known
    steps = _armed(at)
    if key.endswith("/*"):
        ln.save(ln.Artifact.from_dir(source, key=key.removesuffix("/*")))
    else:
        ln.Artifact(source, key=key).save()
    sys.setprofile(None)
    Path(source).with_suffix(".steps").write_text(str(next(steps)))
    os._exit(0)


def _armed(at: int) -> count[int]:
    steps = count(1)

    def trace(frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        is_ours = "/lamin_core/" in file and any(part in file for part in OURS)
        if is_ours and next(steps) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(trace)
    sys.setprofile(trace)
    return steps


if __name__ == "__main__":
    main()
