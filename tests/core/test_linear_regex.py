"""Regular expressions in lookups: they mean what `re` means, and no pattern takes for ever."""

from __future__ import annotations

import random
import re
import subprocess
import sys

import pytest

import lamin_core as ln
from lamin_core.db.linear_regex import LinearRegex, matches
from lamin_core.errors import InvalidArgument
from lamin_core.instance.instance import Instance

ATOMS = [
    *("a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\W", r"\s", "^", "$", r"\b", r"\B", r"\A", r"\Z"),
    *("\n", "é", "(?i:A)", "(?:)", "(?s:.)", "(?a:\\w)", "(?-i:b)"),
]
REPEATS = ["*", "+", "?", "*?", "{2}", "{1,3}", "{0,2}?", "{2,}"]
ADVERSARIAL = [
    ("(a+)+$", "a" * 2_600 + "b"),
    ("(a|a)+$", "a" * 2_600 + "b"),
    ("(a|aa)+$", "a" * 2_600 + "b"),
    ("(.*a){20}$", "a" * 2_600 + "b"),
    ("(x+x+)+y", "x" * 2_600),
    ("(a?){30}(|a){30}b", "a" * 2_600),
    ("a*a*a*a*a*a*a*a*b", "a" * 2_600),
    (r"^(\w+\s?)*$", "word " * 500 + "!"),
]


def pattern(choice: random.Random, depth: int = 3) -> str:
    """Make a pattern by chance."""
    kind = choice.random()
    if depth == 0 or kind < 0.3:
        return choice.choice(ATOMS)
    first = pattern(choice, depth - 1)
    if kind < 0.55:
        return first + pattern(choice, depth - 1)
    if kind < 0.7:
        return f"({first}|{pattern(choice, depth - 1)})"
    return f"(?:{first}){choice.choice(REPEATS)}"


def test_patterns_mean_what_they_mean_to_python() -> None:
    choice = random.Random(20261129)
    count = 0
    for _ in range(6_000):
        source = choice.choice(["", "(?i)", "(?m)", "(?s)", "(?a)"]) + pattern(choice)
        text = "".join(choice.choices("aabbA1 _\né-", k=choice.randint(1, 8)))
        try:
            expected = re.search(source, text) is not None
        except re.error:
            continue
        count += 1
        assert LinearRegex(source).search(text) is expected, (source, text)
    assert count > 4_000


@pytest.mark.parametrize(("source", "text"), ADVERSARIAL)
def test_no_pattern_takes_for_ever(source: str, text: str) -> None:
    # In a process of its own: nothing interrupts what holds the interpreter.
    script = "import sys; from lamin_core.db.database.linear_regex import matches; print(matches(*sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", script, source, text], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize("operator", ["regex", "iregex"])
def test_lookups_end_on_both_databases(instance: Instance, operator: str) -> None:
    script = (
        "import sys, lamin_core as ln\n"
        "for name in sys.argv[3:]: print(ln.ULabel.filter(**{sys.argv[1]: name}).count())\n"
    )
    ln.ULabel(name="a" * 1_500 + "!").save()
    ln.ULabel(name="a" * 28).save()
    patterns = [source for source, _ in ADVERSARIAL]
    done = subprocess.run(
        [sys.executable, "-c", script, f"name__{operator}", "", *patterns],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    counts = done.stdout.split()
    assert counts[:3] == ["1", "1", "1"]
    assert len(counts) == len(ADVERSARIAL)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("(", "is no regular expression"),
        ("x{2000}", "is too large"),
        ("(x{1,100}){1,100}", "is too large"),
        ("(x{1000}){100000}", "is too large"),
        (r"(a+)\1", "uses groupref, which may take for ever"),
        ("(?=a)b", "uses assert, which may take for ever"),
        ("(?<!a)b", "uses assert_not, which may take for ever"),
        ("(?>a+)b", "uses atomic_group, which may take for ever"),
        ("a++b", "uses possessive_repeat, which may take for ever"),
    ],
)
def test_what_may_take_for_ever_is_refused(instance: Instance, source: str, message: str) -> None:
    for lookup in ("key__regex", "key__iregex"):
        with pytest.raises(InvalidArgument, match=message):
            ln.Artifact.filter(**{lookup: source})


def test_what_postgresql_does_not_take_is_an_argument_that_does_not_fit(instance: Instance) -> None:
    ln.ULabel(name="xx").save()
    lookups = ln.ULabel.filter(name__regex="x{300}|xx")
    if instance.db.engine.dialect.name == "sqlite":
        assert lookups.count() == 1
        return
    with pytest.raises(InvalidArgument, match="PostgreSQL does not take this regular expression"):
        lookups.count()


def test_of_many_different_texts_not_everything_is_remembered() -> None:
    regex = LinearRegex("(a|b)*a(a|b){40}c")
    choice = random.Random(1)
    for _ in range(11):
        assert not regex.search("".join(choice.choices("ab", k=2_000)))
    assert len(regex._remembered) <= 20_001
    assert regex.search("a" * 50 + "c")


def test_missing_text_matches_nothing() -> None:
    assert matches("a", None) is None
    assert matches(None, "a") is None
