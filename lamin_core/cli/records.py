"""Commands on existing records: load, get, list, describe, annotate, delete."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

import lamin_core as ln
from lamin_core.cli import completers, output
from lamin_core.cli.confirm import agreed
from lamin_core.cli.copies import copied, write_out
from lamin_core.cli.epilog import examples
from lamin_core.cli.resolve import REGISTRIES, by_name, called, find, registry
from lamin_core.cli.serializers import annotated, shape
from lamin_core.errors import InvalidArgument, NotFound
from lamin_core.runtime.printable import printable

_LISTED = 50


@click.command(
    epilog=examples(
        'head "$(lamin load results/genes.csv)"',
        "lamin load results/genes.csv -o genes.csv",
        "lamin load results/genes.csv -o - | head",
        "lamin load transform fit.py",
    )
)
@by_name
@click.option(
    *("-o", "--output", "target"),
    metavar="FILE",
    shell_complete=completers.files,
    help="Write a copy of the artifact to this file or into this folder; - is standard output.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Overwrite an existing file, also a script or notebook with changes that are not in the registry.",
)
def load(
    words: tuple[str, ...],
    key: str | None,
    uid: str | None,
    name: str | None,
    target: str | None,
    force: bool,
) -> None:
    """Get an artifact, script or notebook; prints its path.

    For an artifact, the path is that of a local copy, which you must not change; -o writes your own
    copy. A script or notebook is written into the working directory.
    """
    from lamin_core.tracking.checkout import bring_back

    record = find(words, key, uid, name)
    if isinstance(record, ln.Transform):
        if target is not None:
            raise InvalidArgument(
                "-o is for artifacts", hint="lamin load transform NAME writes into this folder"
            )
        output.echo_path(bring_back(record, Path.cwd(), force=force))
        return
    if not isinstance(record, ln.Artifact):
        raise InvalidArgument(
            f"{record!r} has no bytes to bring here", hint="lamin load artifact NAME"
        )
    copy = record.cache()
    if target == "-":
        write_out(copy)
    else:
        output.echo_path(copy if target is None else copied(copy, Path(target), force=force))


@click.command(epilog=examples("lamin get results/genes.csv", "lamin get run aT8AlECy --json"))
@by_name
@output.as_json
def get(
    words: tuple[str, ...], key: str | None, uid: str | None, name: str | None, as_json: bool
) -> None:
    """Print the fields of one record."""
    fields = annotated(find(words, key, uid, name))
    if as_json:
        output.print_json(fields)
    else:
        _print_fields(fields)


def _print_fields(fields: dict[str, Any]) -> None:
    shown = {name: value for name, value in fields.items() if value not in (None, [], {})}
    width = max(len(name) for name in shown) + 1
    for name, value in shown.items():
        text = (
            json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        )
        output.echo(f"{name + ':':<{width}} {printable(text)}")


@click.command(epilog=examples("lamin describe results/genes.csv", "lamin describe run aT8AlECy"))
@by_name
@output.as_json
def describe(
    words: tuple[str, ...], key: str | None, uid: str | None, name: str | None, as_json: bool
) -> None:
    """Describe one record for people.

    With --json, it prints the same as lamin get.
    """
    record = find(words, key, uid, name)
    if as_json:
        output.print_json(annotated(record))
    elif hasattr(record, "describe"):
        record.describe()
    else:
        _print_fields(annotated(record))


@click.command(
    "list",
    epilog=examples(
        "lamin list",
        "lamin list transforms --search align",
        "lamin list ulabels --limit 500 --json",
    ),
)
@click.argument("kind", metavar="[REGISTRY]", required=False)
@click.option(
    "--limit",
    type=output.LIMIT,
    default=_LISTED,
    show_default=True,
    help="Maximum number of records.",
)
@click.option("--search", help="Only records that match this text, the best first.")
@output.as_json
def list_(kind: str | None, limit: int, search: str | None, as_json: bool) -> None:
    """List the records of a registry, the newest first.

    Without a registry: list all registries with their numbers of records.
    """
    if kind is None:
        counts = [
            {"registry": name, "records": registry(name).filter().count()} for name in REGISTRIES
        ]
        output.print_json(counts) if as_json else output.print_table(counts)
        return
    registry_class = registry(kind)
    rows = (
        registry_class.search(search, limit=limit + 1)
        if search
        else registry_class.all().order_by("-id")
    )
    shown = [shape(record) for record in rows[: limit + 1]]
    if as_json:
        output.print_json(shown[:limit])
    else:
        output.print_table([_short(fields) for fields in shown[:limit]])
    if len(shown) > limit:
        output.there_is_more(limit)


def _short(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that fit a line: without long fields and digests; times to the second."""
    left_out = (
        "hash",
        "hash_type",
        "otype",
        "external_id",
        "params",
        "error",
        "path",
        "reference",
        "transform",
    )
    short = {name: value for name, value in fields.items() if name not in left_out}
    return {
        name: output.local(value) if isinstance(value, datetime) else value
        for name, value in short.items()
    }


@click.command(
    epilog=examples(
        "lamin annotate results/genes.csv --labels checked --project airway",
        'lamin annotate results/counts.parquet --schema "Counts"',
        "lamin annotate run aT8AlECy --features temperature=21.6",
    )
)
@by_name
@click.option(
    "--features",
    multiple=True,
    metavar="NAME=VALUE",
    help="A value of a feature; can be repeated.",
)
@click.option(
    "--labels",
    "--ulabel",
    multiple=True,
    metavar="LABEL",
    help="A label, created if it is new; can be repeated.",
)
@click.option("--project", multiple=True, help="A project, created if it is new; can be repeated.")
@click.option("--description", help="New description of the record.")
@click.option(
    "--schema",
    metavar="SCHEMA",
    help="Validate the artifact against this schema (name or uid). If it is not valid, record this and exit with 4.",
)
@output.as_json
def annotate(
    words: tuple[str, ...],
    key: str | None,
    uid: str | None,
    name: str | None,
    features: tuple[str, ...],
    labels: tuple[str, ...],
    project: tuple[str, ...],
    description: str | None,
    schema: str | None,
    as_json: bool,
) -> None:
    """Add labels, features and a description; validate an artifact."""
    if not (features or labels or project or description or schema):
        raise InvalidArgument(
            "nothing to annotate with",
            hint="--features NAME=VALUE, --labels LABEL, --project, --description, --schema SCHEMA",
        )
    values = dict(_value(assignment) for assignment in features)
    record = find(words, key, uid, name, to_change=True)
    if description is not None:
        record.description = description
        record.save()
    if labels:
        record.ulabels.add(*(ln.ULabel(name=label).save() for label in labels))
    if project:
        record.projects.add(*(ln.Project(name=project_name).save() for project_name in project))
    if values:
        record.features.add_values(values)
    if schema is not None:
        ln.curators.check(record, _schema(schema), strict=True)
    if as_json:
        output.print_json(annotated(record))
    else:
        output.echo(f"{record.uid} is annotated", err=True)


def _schema(text: str) -> ln.Schema:
    """The schema with this name or uid. Raises `NotFound`, and `MultipleFound` for several of the name."""
    matches = ln.Schema.filter(ln.Q(name=text) | ln.Q(uid=text))
    if not matches.count():
        names = ", ".join(name for name in ln.Schema.all().list("name")[:10] if name)
        raise NotFound(
            f"no schema {text!r}", hint=f"schemas: {names or 'none yet: ln.Schema([...])'}"
        )
    return matches.one()


def _value(assignment: str) -> tuple[str, Any]:
    """Name and value: JSON where it is some, else text.

    >>> _value("temperature=21.6"), _value("site=a b"), _value("when=2026-03-01")
    (('temperature', 21.6), ('site', 'a b'), ('when', '2026-03-01'))
    """
    name, equals, text = assignment.partition("=")
    if not name or not equals:
        raise InvalidArgument(
            f"not of the form NAME=VALUE: {assignment!r}", hint="--features temperature=21.6"
        )
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


@click.command(
    epilog=examples("lamin delete results/genes.csv", "lamin delete ulabel checked --yes")
)
@by_name
@click.option(
    "--permanent",
    is_flag=True,
    help="Delete permanently, an artifact with its copy in the storage; do not use the trash.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(
    words: tuple[str, ...],
    key: str | None,
    uid: str | None,
    name: str | None,
    permanent: bool,
    yes: bool,
) -> None:
    """Delete one record; asks first.

    An artifact, a label, a feature, a project or a reference goes into the trash, unless you pass
    --permanent. A record that is in use cannot be deleted permanently.
    """
    record = find(words, key, uid, name, to_change=True)
    has_trash = record._has_trash
    how = " for good" if permanent or not has_trash else ""
    if not agreed(f"Delete {called(record)}{how}?", yes):
        raise click.Abort
    record.delete(**({"permanent": True} if permanent and has_trash else {}))
    output.echo(
        f"{called(record)} is deleted{how}" if how else f"{called(record)} is in the trash",
        err=True,
    )
