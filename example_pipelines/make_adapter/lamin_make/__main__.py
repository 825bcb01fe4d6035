"""`python -m lamin_make [-f MAKEFILE] ...` runs `make` with the same arguments, and records it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lamin_core.runtime.parent_context import parent_from_environment
from lamin_core.uids import new_run_id
from lamin_make import translate
from lamin_make.recording import Recording, guard
from openlineage.lamin.emit.events import RunReference


def main() -> int:
    """Run make; returns its exit status."""
    arguments = sys.argv[1:]
    makefile = "Makefile"
    if "-f" in arguments:
        position = arguments.index("-f")
        makefile = arguments[position + 1]
        arguments = arguments[:position] + arguments[position + 2 :]
    recording = _recording(makefile)
    if recording is None:
        return subprocess.call(["make", *sys.argv[1:]])
    os.environ["MAKE_PYTHON"] = sys.executable
    rules = Path(__file__).with_name("record.mk")
    return recording.call(["make", "-f", str(rules), "-f", makefile, *arguments])


@guard
def _recording(makefile: str) -> Recording:
    shown = subprocess.run(["make", "--version"], capture_output=True, text=True, check=True)
    version = os.environ["MAKE_VERSION_USED"] = shown.stdout.split()[2]
    parent = parent_from_environment()
    run = translate.workflow_run(
        new_run_id(),
        os.path.abspath(makefile),
        Path(makefile).read_text(encoding="utf-8", errors="replace"),
        version,
        RunReference.of(parent) if parent else None,
        RunReference.of(parent.outermost) if parent else None,
    )
    return Recording(run)


if __name__ == "__main__":
    sys.exit(main())
