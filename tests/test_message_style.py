"""Error messages name what is wrong first and the value after it: "not a number: '12x'", not "'12x' is no number"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXEMPT = frozenset({"lamin_core/db/linear_regex.py"})  # is about to be replaced
ODD = re.compile(r"^ (is|are) no (?!longer|more)")


def odd_messages(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            for value, text in zip(node.values, node.values[1:], strict=False):
                is_odd = isinstance(text, ast.Constant) and ODD.match(str(text.value))
                if isinstance(value, ast.FormattedValue) and is_odd:
                    yield ast.unparse(node)


def test_messages_name_the_problem_before_the_value() -> None:
    found_in = {}
    for path in sorted((ROOT / "lamin_core").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        messages = list(odd_messages(path.read_text("utf-8")))
        if messages and name not in EXEMPT:
            found_in[name] = messages
    assert found_in == {}


def test_odd_message_is_detected() -> None:
    assert list(odd_messages('f"{text!r} is no number"')) == ["f'{text!r} is no number'"]
    assert list(odd_messages('f"not a number: {text!r}"')) == []
    assert list(odd_messages('f"{path} is no longer there"')) == []
