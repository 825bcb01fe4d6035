"""Commands on records: save, load, get, list, describe, annotate, delete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

import lamin_core as ln
from lamin_core.cli import output
from lamin_core.cli.asking import agreed
from lamin_core.cli.failure import Word
from lamin_core.cli.named import by_name, find, registry
from lamin_core.errors import InvalidArgument

_LISTED = 50


_CODE = {
    ".py": ("script", "python"),
    ".ipynb": ("notebook", "python"),
    ".R": ("script", "R"),
    ".Rmd": ("notebook", "R"),
    ".qmd": ("notebook", None),
    ".sh": ("script", "bash"),
}
"""Files that are saved as transforms unless told otherwise: their kind and their language."""


@click.command()
@click.argument("path")
@click.option("--key", help="The key to save it under; by default its path in a storage, or the name of a script.")
@click.option("--description", help="What it is.")
@click.option("--kind", help="What kind of data, such as dataset or model.")
@click.option("--stem-uid", help="Save it as a new version of the record with this uid.")
@click.option("--project", help="Also add it to this project, made if it is new.")
@click.option(
    "--registry", "into", type=Word(["artifact", "transform"]), help="As what; code is by default a transform."
)
@output.as_json
def save(
    path: str,
    key: str | None,
    description: str | None,
    kind: str | None,
    stem_uid: str | None,
    project: str | None,
    into: str | None,
    as_json: bool,
) -> None:
    """Save a file, a folder or an object in a bucket as an artifact, a script or notebook as a transform.

    Prints the uid.
    """
    said = {"key": key, "description": description, "kind": kind}
    is_code = into == "transform" or (into is None and Path(path).suffix in _CODE)
    saved = _save_code(path, stem_uid, said) if is_code else _save_artifact(path, stem_uid, said)
    if project is not None:
        saved.projects.add(ln.Project(name=project).save())
    if as_json:
        output.print_json(annotated(saved))
    else:
        click.echo(saved.uid)
        click.echo(f"saved {type(saved).__name__.lower()} {saved.key or saved.uid}, version {saved.version}", err=True)


def _save_artifact(path: str, stem_uid: str | None, said: dict[str, Any]) -> Any:
    revises = None if stem_uid is None else ln.Artifact.get(stem_uid)
    return ln.Artifact(path, revises=revises, **said).save()


def _save_code(path: str, stem_uid: str | None, said: dict[str, Any]) -> Any:
    from lamin_core.files import local_path
    from lamin_core.tracking.code import in_file

    file = local_path(path)
    kind, language = _CODE.get(file.suffix, ("script", None))
    revises = None if stem_uid is None else ln.Transform.get(stem_uid)
    code = in_file(file)
    if code.source is None:
        raise InvalidArgument(f"{path!r} is no text, so no code", hint=f"lamin save {path} --registry artifact")
    return code.transform(revises=revises, language=language, **{**said, "kind": said["kind"] or kind}).save()


def annotated(record: Any) -> dict[str, Any]:
    """The record with what people said of it."""
    from lamin_core.cli.shape import annotated as shown

    return shown(record)


@click.command()
@by_name
def load(words: tuple[str, ...], key: str | None, uid: str | None, name: str | None) -> None:
    """Bring an artifact here, and print the path of the local copy."""
    record = find(words, key, uid, name)
    if not isinstance(record, ln.Artifact):
        raise InvalidArgument(f"{record!r} has no bytes to bring here", hint="lamin load artifact NAME")
    click.echo(record.cache())


@click.command()
@by_name
@output.as_json
def get(words: tuple[str, ...], key: str | None, uid: str | None, name: str | None, as_json: bool) -> None:
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
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        click.echo(f"{name + ':':<{width}} {output.one_line(text)}")


@click.command()
@by_name
@output.as_json
def describe(words: tuple[str, ...], key: str | None, uid: str | None, name: str | None, as_json: bool) -> None:
    """Say what is known about one record, for people; with --json the same as lamin get."""
    record = find(words, key, uid, name)
    if as_json:
        output.print_json(annotated(record))
    elif hasattr(record, "describe"):
        record.describe()
    else:
        _print_fields(annotated(record))


@click.command("list")
@click.argument("kind", metavar="REGISTRY")
@click.option("--limit", type=click.IntRange(1), default=_LISTED, show_default=True, help="At most this many.")
@click.option("--search", help="Only those that this finds, the best first.")
@output.as_json
def list_(kind: str, limit: int, search: str | None, as_json: bool) -> None:
    """List the records of a registry, the newest first."""
    from lamin_core.cli.shape import shape

    found = registry(kind)
    rows = found.search(search, limit=limit) if search else found.all().order_by("-id")
    shown = [shape(record) for record in rows[:limit]]
    if as_json:
        output.print_json(shown)
    else:
        output.print_table([_short(fields) for fields in shown])


def _short(fields: dict[str, Any]) -> dict[str, Any]:
    """What fits a line: without long fields, digests and moments to the second."""
    left_out = ("hash", "hash_type", "otype", "external_id", "params", "error", "path", "reference", "transform")
    short = {name: value for name, value in fields.items() if name not in left_out}
    return {name: str(value)[:19] if name.endswith("_at") and value else value for name, value in short.items()}


@click.command()
@by_name
@click.option("--features", multiple=True, metavar="NAME=VALUE", help="A value of a feature; as often as needed.")
@click.option("--labels", "--ulabel", multiple=True, metavar="LABEL", help="A label, made if it is new; as often.")
@click.option("--project", multiple=True, help="A project, made if it is new; as often as needed.")
@click.option("--description", help="What it is.")
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
    as_json: bool,
) -> None:
    """Say something about a record: values of features, labels, projects, a description."""
    if not (features or labels or project or description):
        raise InvalidArgument("nothing to say", hint="--features NAME=VALUE, --labels LABEL, --project, --description")
    values = dict(_value(said) for said in features)
    record = find(words, key, uid, name)
    if description is not None:
        record.description = description
        record.save()
    if labels:
        record.ulabels.add(*(ln.ULabel(name=label).save() for label in labels))
    if project:
        record.projects.add(*(ln.Project(name=one).save() for one in project))
    if values:
        record.features.add_values(values)
    if as_json:
        output.print_json(annotated(record))
    else:
        click.echo(f"{record.uid} is annotated", err=True)


def _value(said: str) -> tuple[str, Any]:
    """Name and value: JSON where it is some, else text.

    >>> _value("temperature=21.6"), _value("site=a b"), _value("when=2026-03-01")
    (('temperature', 21.6), ('site', 'a b'), ('when', '2026-03-01'))
    """
    name, equals, text = said.partition("=")
    if not name or not equals:
        raise InvalidArgument(f"{said!r} is no NAME=VALUE", hint="--features temperature=21.6")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


@click.command()
@by_name
@click.option("--permanent", is_flag=True, help="For good, with its copy in the storage, instead of into the trash.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(
    words: tuple[str, ...], key: str | None, uid: str | None, name: str | None, permanent: bool, yes: bool
) -> None:
    """Delete one record; asks first. An artifact goes into the trash, unless --permanent is said."""
    record = find(words, key, uid, name)
    has_trash = isinstance(record, ln.Artifact)
    how = " for good" if permanent or not has_trash else ""
    if not agreed(f"Delete {record!r}{how}?", yes):
        raise click.Abort
    record.delete(**({"permanent": True} if permanent and has_trash else {}))
    click.echo(f"{record.uid} is deleted{how}", err=True)


__all__ = ["annotate", "delete", "describe", "get", "list_", "load", "save"]
