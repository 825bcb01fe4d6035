"""Find the registry and the record that a name on the command line means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

import lamin_core as ln
from lamin_core.cli import errors
from lamin_core.cli.completers import beginning, keys
from lamin_core.errors import InvalidArgument, NotFound

Command = TypeVar("Command", bound=Callable[..., Any])
REGISTRIES = {
    "artifact": "Artifact",
    "collection": "Collection",
    "environment": "Environment",
    "feature": "Feature",
    "project": "Project",
    "reference": "Reference",
    "run": "Run",
    "schema": "Schema",
    "storage": "Storage",
    "transform": "Transform",
    "ulabel": "ULabel",
    "user": "User",
}


def registry(word: str) -> Any:
    """The registry with this name, in the singular or the plural. Raises `InvalidArgument`."""
    name = word.lower()
    singular = name if name in REGISTRIES else name.removesuffix("s")
    if singular not in REGISTRIES:
        meant = errors.near(name, REGISTRIES) or f"there are: {', '.join(REGISTRIES)}"
        raise InvalidArgument(f"no registry is called {word!r}", hint=meant)
    return getattr(ln, REGISTRIES[singular])


def by_name(command: Command) -> Command:
    """The arguments of a command on one record: `[REGISTRY] [NAME]`, or `--key`, `--uid`, `--name`."""
    options = (
        click.argument("words", nargs=-1, metavar="[REGISTRY] [NAME]", shell_complete=_complete),
        click.option("--key", help="Its key."),
        click.option("--uid", help="Its uid, or the first characters of it."),
        click.option("--name", help="Its name."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def find(words: Sequence[str], key: str | None, uid: str | None, name: str | None) -> Any:
    """The record that is meant; of several versions the latest.

    Without a registry, an artifact. Raises `InvalidArgument` when none or several are named,
    `NotFound`, and `MultipleFound`.
    """
    kind, rest = _split(words)
    identifiers = [*rest, *(value for value in (key, uid, name) if value is not None)]
    if len(identifiers) != 1:
        raise InvalidArgument(
            "name one record", hint="by NAME, --key, --uid or --name: lamin describe artifact a.csv"
        )
    if uid is not None:
        return kind.get(uid)
    if key is not None or name is not None:
        return kind.get(**({"key": key} if key is not None else {"name": name}))
    return _by_word(kind, rest[0])


def called(record: Any) -> str:
    """What people call this record: its registry, its name and its uid."""
    kind = type(record)
    name = getattr(record, kind._name_field, None)
    return f"{kind.__name__.lower()} {record.uid if name is None else f'{name!r} ({record.uid})'}"


def _split(words: Sequence[str]) -> tuple[Any, list[str]]:
    """The registry and what is left; one word alone that is a registry is that, without a name."""
    first = words[0].lower() if words else ""
    if len(words) > 1 or first in REGISTRIES:
        return registry(words[0]), list(words[1:])
    return ln.Artifact, list(words)


def _by_word(kind: Any, word: str) -> Any:
    """By the name that people know it by, else by its uid."""
    if kind is ln.Artifact:
        record = ln.connect().lineage.find(word)  # keys, paths and uids
        if not isinstance(record, ln.Artifact):
            raise NotFound(f"{word!r} is a run, not an artifact", hint=f"lamin describe run {word}")
        return record
    try:
        return kind.get(**{kind._name_field: word})
    except NotFound as error:
        if not (word.isascii() and word.isalnum()):
            raise
        try:
            return kind.get(word)
        except NotFound:
            raise error from None


def _complete(ctx: click.Context, argument: click.Parameter, incomplete: str) -> list[str]:
    """Registries and keys of artifacts, then names in the registry that was typed."""
    typed = ctx.params.get("words") or ()
    if not typed:
        return [
            *(name for name in REGISTRIES if name.startswith(incomplete)),
            *keys(ctx, argument, incomplete),
        ]
    try:
        kind = registry(typed[0])
    except InvalidArgument:
        return []
    return beginning(kind.__name__, kind._name_field, incomplete)
