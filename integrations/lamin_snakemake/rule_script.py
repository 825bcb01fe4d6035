"""What the wrappers have in common: the log of their rule, and the records that they write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamin_core.models import Artifact


@contextmanager
def logged(log: Sequence[str]) -> Iterator[None]:
    """Write what goes to standard error, and why the script failed, into the first file of `log:`, if there is one."""
    if not log:
        yield
        return
    with open(log[0], "w", encoding="utf-8") as file, redirect_stderr(file):
        try:
            yield
        except Exception as error:
            print(error, file=file)
            raise


def write_records(artifacts: Iterable[Artifact], outputs: Sequence[str]) -> None:
    """Write the artifacts into the first output of the rule, if it has one: a JSON object a line."""
    if not outputs:
        return
    with open(outputs[0], "w", encoding="utf-8") as file:
        for artifact in artifacts:
            record = {
                "uid": artifact.uid,
                "key": artifact.key,
                "version": artifact.version,
                "hash": artifact.hash,
                "size": artifact.size,
            }
            file.write(json.dumps(record) + "\n")
