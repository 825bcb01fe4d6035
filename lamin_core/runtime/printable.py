"""Make foreign text safe for a terminal: control characters are shown as escapes.

Names, descriptions, messages and paths come from files, events and other people. A terminal obeys
what is in them: it would move the cursor, change the title or hide a line. Everything that is
printed for people passes through here.
"""

from __future__ import annotations

import json


def printable(text: object) -> str:
    """Return the text on one line, everything that does not print as an escape.

    >>> printable("a\\nb\\x1b[31m")
    'a\\\\nb\\\\x1b[31m'
    """
    text = str(text)
    return text if text.isprintable() else "".join(map(_escaped, text))


def printable_lines(text: object) -> str:
    """Return the text with its line ends and tabs, everything else that does not print as an escape.

    >>> printable_lines("a\\n\\tb\\x1b[2J")
    'a\\n\\tb\\\\x1b[2J'
    """
    return "".join(
        character if character in "\n\t" else _escaped(character) for character in str(text)
    )


def printable_path(path: object) -> str:
    """Return a path for other programs: only control characters are escaped, so that other names stay usable.

    >>> printable_path("/data/a\\u3000b\\x1b.txt")
    '/data/a\\u3000b\\\\x1b.txt'
    """
    return "".join(
        _escaped(character) if _is_control(character) else character for character in str(path)
    )


def printable_json(document: str) -> str:
    """Return the same JSON document with what does not print as JSON's own escapes: its value stays.

    >>> printable_json('["\\x9b"]')
    '["\\\\u009b"]'
    """
    if document.isprintable():
        return document
    pieces = [
        piece if piece in "\n\t" or piece.isprintable() else json.dumps(piece)[1:-1]
        for piece in document
    ]
    return "".join(pieces)


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "backslashreplace").decode()


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f"
