"""Find the registry and the record that a name on the command line means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

import lamin_core as ln
from lamin_core.cli import errors
from lamin_core.cli.completers import beginning, keys
from lamin_core.cli.output import echo
from lamin_core.errors import InvalidArgument, MultipleFound, NotFound
from lamin_core.lineage.resolve import UID_PREFIX, Match, external_ids

Command = TypeVar("Command", bound=Callable[..., Any])
REGISTRIES = {
    "artifact": "Artifact",
    "collection": "Collection",
    "environment": "Environment",
    "feature": "Feature",
    "project": "Project",
    "record": "Record",
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
        click.option("--key", help="Key of the record."),
        click.option("--uid", help="Uid of the record, or its first characters."),
        click.option("--name", help="Name of the record."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def find(
    words: Sequence[str],
    key: str | None,
    uid: str | None,
    name: str | None,
    *,
    to_change: bool = False,
) -> Any:
    """The record that is meant; of several versions the latest.

    Without a registry, an artifact. A record that is to be changed must be named itself: a file
    that only has the same bytes is not enough. Raises `InvalidArgument` when none or several are
    named, `NotFound`, and `MultipleFound`.
    """
    kind, rest = split(words)
    identifiers = [*rest, *(value for value in (key, uid, name) if value is not None)]
    if len(identifiers) != 1:
        raise InvalidArgument(
            "name one record", hint="by NAME, --key, --uid or --name: lamin describe artifact a.csv"
        )
    if uid is not None:
        return _by_uid(kind, uid)
    if key is not None or name is not None:
        return kind.get(**({"key": key} if key is not None else {"name": name}))
    if kind is ln.Artifact:
        return _artifact(rest[0], to_change=to_change)
    return _by_word(kind, rest[0])


def note_other_place(match: Match) -> None:
    """Say on standard error where the artifacts are, if the path that was named is not that of one."""
    if match.same_bytes:
        echo(f"{match.name}: same bytes as {match.artifacts}", err=True)
    if match.url is not None:
        echo(f"{match.name}: on another host, as {match.url}", err=True)


def with_stem(kind: Any, uid: str) -> Any:
    """The latest version with this stem, or the version with this whole uid. Raises `NotFound`."""
    if len(uid) < kind._stem_length:
        raise NotFound(
            f"not a whole uid: {uid!r} (a stem has {kind._stem_length} characters)",
            hint=f"lamin list {kind.__name__.lower()}",
        )
    return kind.get(uid)


def called(record: Any) -> str:
    """The registry, name and uid of this record."""
    kind = type(record)
    name = getattr(record, kind._name_field, None)
    return f"{kind.__name__.lower()} {record.uid if name is None else f'{name!r} ({record.uid})'}"


def split(words: Sequence[str]) -> tuple[Any, list[str]]:
    """The registry and what is left; one word alone that is a registry is that, without a name."""
    first = words[0].lower() if words else ""
    if len(words) > 1 or first in REGISTRIES:
        return registry(words[0]), list(words[1:])
    return ln.Artifact, list(words)


def _artifact(word: str, *, to_change: bool) -> Any:
    """The artifact with this uid, key or path, or with the bytes of the file at this path."""
    match = ln.connect().lineage.match(word)
    if match.same_bytes and to_change:
        raise NotFound(
            f"{word!r} is not an artifact; it has the same bytes as {match.artifacts}",
            hint="name the artifact by its key or uid",
        )
    if match.url is not None and to_change:
        raise NotFound(
            f"no artifact is at {word!r} on this machine, but one at {match.url}",
            hint="name the artifact by its URL or uid",
        )
    note_other_place(match)
    record = match.record
    if not isinstance(record, ln.Artifact):
        raise NotFound(f"{word!r} is a run, not an artifact", hint=f"lamin describe run {word}")
    return record


def _by_word(kind: Any, word: str) -> Any:
    """The record with this name or uid; a run also by its OpenLineage run id.

    Raises `NotFound`, and `MultipleFound` where one record has this name and another this uid.
    """
    name_matches = kind.filter(**{kind._name_field: word}).to_list()
    matches = [
        record for record in name_matches if getattr(record, "is_latest", True)
    ] or name_matches
    uid_match = _with_uid(kind, word)
    if uid_match is not None and uid_match.uid not in [record.uid for record in matches]:
        matches.append(uid_match)
    if len(matches) > 1:
        listed = ", ".join(called(record) for record in matches[:5])
        raise MultipleFound(f"{word!r} names {len(matches)} records: {listed}", hint="--uid UID")
    if matches:
        return matches[0]
    return kind.get(**{kind._name_field: word})  # raises, with the names most like it


def _with_uid(kind: Any, word: str) -> Any:
    """The record with this uid, or with at least eight first characters of it."""
    is_uid = word.isascii() and word.isalnum() and len(word) >= UID_PREFIX
    if not (is_uid or kind is ln.Run):
        return None
    try:
        return _by_uid(kind, word)
    except NotFound as error:
        if "was deleted" in error.message:
            raise
        return None


def _by_uid(kind: Any, uid: str) -> Any:
    """The record with this uid, or these first characters of it; a run also by its OpenLineage run id.

    Of several attempts of a run, the last.
    """
    if kind is not ln.Run:
        return kind.get(uid)
    attempts = ln.Run.filter(external_id__in=sorted(external_ids(uid)))
    run = attempts.order_by("-attempt").first()
    if run is None and not (uid.isascii() and uid.isalnum()):
        raise NotFound(f"no run has the id {uid!r}", hint="lamin runs")
    return ln.Run.get(uid) if run is None else run


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
