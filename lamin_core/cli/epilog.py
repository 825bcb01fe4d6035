"""Examples at the end of a command's help."""

from __future__ import annotations


def examples(*lines: str) -> str:
    r"""The `epilog` of a command: each line as it is typed.

    >>> examples("lamin runs --since 2h")
    '\x08\nExamples:\n  lamin runs --since 2h'
    """
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
