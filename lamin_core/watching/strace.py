"""The log of strace as actions; for machines without a C compiler."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from lamin_core.watching.accesses import READ, RENAME, UPDATE, WRITE, Action, state_of_file

# 123 openat(AT_FDCWD</home/me>, "a.csv", O_RDONLY|O_CLOEXEC) = 3</home/me/a.csv>
_OPEN = re.compile(r"(?:open|openat|creat)\((?P<arguments>.*)\) = \d+<(?P<path>/.*)>$")
_RENAME = re.compile(
    r'rename(?:at2?)?\((?:[^"]*<(?P<from>/[^"]*)>, )?"(?P<source>.*?)", '
    r'(?:[^"]*<(?P<to>/[^"]*)>, )?"(?P<target>.*?)".*\) = 0$'
)


def actions_of(path: str) -> Iterator[Action]:
    """The actions in a file written by `strace -f -y`.

    What a file held before it was written over is not known afterwards, so such a file is only an
    output.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    actions = [action for line in lines if (action := action_of(line)) is not None]
    written = {action.path for action in actions if action.kind != READ}
    for action in actions:
        if action.kind != READ:
            yield action
        elif action.path not in written:
            yield action._replace(before=state_of_file(action.path))


def action_of(line: str) -> Action | None:
    """The action of one line; None for a call that failed, or that does not matter.

    >>> action_of('7 openat(AT_FDCWD</w>, "a.csv", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3</w/a.csv>')[:2]
    ('write', '/w/a.csv')
    >>> action_of('7 rename("/w/a.tmp", "/w/a.csv") = 0').source
    '/w/a.tmp'
    """
    opened = _OPEN.search(line)
    if opened is not None:
        return Action(_kind(opened["arguments"]), opened["path"])
    renamed = _RENAME.search(line)
    if renamed is None:
        return None
    source, target = (
        os.path.normpath(os.path.join(renamed[folder] or os.getcwd(), renamed[name]))
        for folder, name in (("from", "source"), ("to", "target"))
    )
    return Action(RENAME, target, source=source)


def _kind(arguments: str) -> str:
    if "O_WRONLY" not in arguments and "O_RDWR" not in arguments and "O_CREAT" not in arguments:
        return READ
    is_update = "O_TRUNC" not in arguments and ("O_RDWR" in arguments or "O_APPEND" in arguments)
    return UPDATE if is_update else WRITE
