"""The documentation contains all names for users: public names, commands and their options, variables, extras."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
REFERENCE = ROOT / "docs" / "api"  # lists what there is, so it describes nothing by itself
TEXT = "\n".join(
    path.read_text("utf-8") for path in PAGES if path.exists() and path.parent != REFERENCE
)
SOURCES = [ROOT / "lamin_core", ROOT / "openlineage", ROOT / "integrations"]


def _commands() -> Iterator[tuple[str, click.Command]]:
    """Every command, as it is typed."""
    from lamin_core import cli

    group = next(
        value for value in [cli.main, *vars(cli).values()] if isinstance(value, click.Group)
    )
    yield from _below("lamin", group)


def _below(typed: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield typed, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=typed)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, f"`{typed} {name}` is listed but cannot be loaded"
            if not child.hidden:
                yield from _below(f"{typed} {name}", child)


def test_every_public_name_is_documented() -> None:
    import lamin_core

    public = [name for name in lamin_core.__all__ if not name.startswith("__")]
    missing = [name for name in public if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", TEXT)]
    assert missing == []


def test_every_public_name_exists() -> None:
    import lamin_core

    assert [name for name in lamin_core.__all__ if not hasattr(lamin_core, name)] == []
    assert set(lamin_core.__all__) <= set(dir(lamin_core))


def test_every_command_is_documented_and_has_help() -> None:
    commands = dict(_commands())
    assert len(commands) > 5
    assert [typed for typed in commands if typed not in TEXT] == []
    assert [typed for typed, command in commands.items() if not command.help] == []


def test_every_option_is_documented() -> None:
    missing = []
    for typed, command in _commands():
        for parameter in command.params:
            names = [name for name in parameter.opts if name.startswith("--")]
            hidden = isinstance(parameter, click.Option) and parameter.hidden
            if (
                names
                and not hidden
                and not any(re.search(rf"{name}(?![\w-])", TEXT) for name in names)
            ):
                missing.append(f"{typed} {names[0]}")
    assert missing == []


def test_every_variable_is_documented() -> None:
    variables = set()
    for folder in SOURCES:
        for path in folder.rglob("*"):
            if path.suffix in (".py", ".java", ".groovy", ".kt"):
                variables |= set(
                    re.findall(r"(?<![\w])LAMIN_[A-Z][A-Z_]*[A-Z]", path.read_text("utf-8"))
                )
    assert "LAMIN_INSTANCE" in variables
    assert sorted(name for name in variables if name not in TEXT) == []


def test_every_extra_is_documented() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert [name for name in extras if not re.search(rf"\[[\w,]*\b{name}\b[\w,]*\]", TEXT)] == []


def test_every_page_is_linked_and_no_link_is_dead() -> None:
    linked = {ROOT / "README.md"}
    dead = []
    for page in [path for path in PAGES if path.exists()]:
        for target in re.findall(
            r"\]\(([^)#\s]+)(?:#[^)]*)?\)",
            re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S),
        ):
            if "://" not in target and not target.startswith("mailto:"):
                path = (page.parent / target).resolve()
                linked.add(path)
                if not path.exists():
                    dead.append((str(page.relative_to(ROOT)), target))
    assert dead == []
    assert [str(page.relative_to(ROOT)) for page in PAGES if page.resolve() not in linked] == []
