"""Regular expressions in lookups: bounded time on both databases, and errors for what is not supported."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lamin_core as ln
from lamin_core.db.linear_regex import matches
from lamin_core.errors import InvalidArgument
from lamin_core.instance.instance import Instance

ADVERSARIAL = [
    "(a+)+$",
    "(a|aa)+$",
    "(.*a){20}$",
    "(a?){30}(|a){30}b$",
    "a*a*a*a*a*a*a*a*b$",
    r"^(\w+\s?)*$",
]
TEXT = "a" * 2_600 + "!"
LOOKUPS = """
import sys, lamin_core as ln
for pattern in sys.argv[2:]:
    print(ln.ULabel.filter(**{sys.argv[1]: pattern}).count())
"""


def run_python(*arguments: str) -> list[str]:
    """Run Python with a hard limit: nothing in the process itself interrupts a regular expression."""
    command = [sys.executable, "-c", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("pattern", ADVERSARIAL)
def test_matches_with_an_adversarial_pattern_ends(pattern: str) -> None:
    script = (
        "import sys; from lamin_core.db.linear_regex import matches; print(matches(*sys.argv[1:]))"
    )
    assert run_python(script, pattern, TEXT) == ["False"]


@pytest.mark.parametrize("operator", ["regex", "iregex"])
def test_lookup_with_an_adversarial_pattern_ends_on_both_databases(
    instance: Instance, operator: str
) -> None:
    ln.ULabel(name="a" * 1_500 + "!").save()
    ln.ULabel(name="a" * 28).save()
    assert run_python(LOOKUPS, f"name__{operator}", *ADVERSARIAL) == ["1", "1", "1", "0", "0", "1"]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("^data/.*[.]csv$", "data/a.csv", True),
        ("(?i)DATA", "data/a.csv", True),
        ("(?m)^b$", "a\nb\nc", True),
        (r"\bé", "é", False),
        (r"\p{Greek}", "βeta", True),
        (r"^\w$", "é", False),  # ASCII alone
        ("a$", "a\n", False),  # not before a last newline
        (r"a\z", "a", True),
        ("a", None, None),
        (None, "a", None),
        (12, 3123, True),
    ],
)
def test_matches_follows_re2_semantics(
    pattern: object, text: object, expected: bool | None
) -> None:
    assert matches(pattern, text) is expected


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", r"missing \)"),
        ("x{2000}", "invalid repetition size"),
        ("(x{1,100}){1,100}", "invalid repetition size"),
        ("(a?){1000}" * 100, "pattern too large"),
        ("(a?){1000}" * 6, "pattern too large"),
        (r"(a+)\1", "invalid escape sequence"),
        ("(?=a)b", "invalid perl operator"),
        ("(?<!a)b", "invalid perl operator"),
        ("(?>a+)b", "invalid perl operator"),
        ("a++b", "bad repetition operator"),
        (r"a\Z", "invalid escape sequence"),
    ],
)
@pytest.mark.parametrize("operator", ["regex", "iregex"])
def test_lookup_with_an_unsupported_pattern_raises_with_a_hint(
    instance: Instance, capfd: pytest.CaptureFixture[str], operator: str, pattern: str, reason: str
) -> None:
    with pytest.raises(
        InvalidArgument, match=f"RE2 does not support the regular expression .*: {reason}"
    ) as raised:
        ln.Artifact.filter(**{f"key__{operator}": pattern})
    assert r"write it without \1, (?=...)" in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_lookup_with_a_pattern_beyond_postgresql_raises_invalid_argument(
    instance: Instance,
) -> None:
    ln.ULabel(name="xx").save()
    labels = ln.ULabel.filter(name__regex="x{300}|xx")
    if instance.db.engine.dialect.name == "sqlite":
        assert labels.count() == 1
        return
    with pytest.raises(InvalidArgument, match="PostgreSQL does not take this regular expression"):
        labels.count()


def test_import_without_regex_leaves_re2_unloaded(instance: Instance) -> None:
    script = "import sys, lamin_core as ln; ln.ULabel.filter(name='a').count(); print('re2' in sys.modules)"
    assert run_python(script) == ["False"]
