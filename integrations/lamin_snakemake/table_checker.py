"""Checks of tables in a process of their own: neither a table nor a library for it is loaded into Snakemake's process.

`TableChecker` is the one side of it, `python -m lamin_snakemake.table_checker` the other: a JSON object a line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict

from lamin_core.errors import Unavailable
from openlineage.lamin.adapter.table_checks import TableCheck, check


class TableChecker:
    """A process that checks tables against schemas of the registry that this process records into."""

    def __init__(self) -> None:
        # In a session of its own: Ctrl-C is for Snakemake, whose end closes what it reads from.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def check(self, path: str, schema: str) -> TableCheck | None:
        """Return the check of the file at this path, as `openlineage.lamin.adapter.table_checks.check` does.

        Raises `Unavailable` where it cannot be checked, with the reason.
        """
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        try:
            requests.write(json.dumps([path, schema]) + "\n")
            requests.flush()
            line = answers.readline()
        except (OSError, ValueError):
            line = ""
        if not line:
            raise Unavailable(f"the process that checks {path!r} ended")
        answer = json.loads(line)
        if answer is not None and "error" in answer:
            raise Unavailable(answer["error"])
        return None if answer is None else TableCheck(**answer)

    def close(self) -> None:
        """End the process, whatever it is at; who waits for its answer gets `Unavailable`."""
        self._process.kill()
        self._process.wait()


def _answer(path: str, schema: str) -> dict[str, str] | None:
    try:
        done = check(path, None, schema)
    except Exception as error:
        return {"error": str(error) or type(error).__name__}
    return None if done is None else asdict(done)


def _serve() -> None:
    """Answer line by line until there is no more to read; what libraries print is no answer."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        path, schema = json.loads(line)
        print(json.dumps(_answer(path, schema)), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
