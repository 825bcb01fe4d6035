"""The command that saves: data as artifacts, code as transforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import lamin_core as ln
from lamin_core.cli import completers, output
from lamin_core.cli.epilog import examples
from lamin_core.cli.errors import Word
from lamin_core.cli.resolve import with_stem
from lamin_core.cli.serializers import annotated
from lamin_core.errors import InvalidArgument
from lamin_core.runtime.printable import printable

_CODE = {
    ".py": ("script", "python"),
    ".ipynb": ("notebook", "python"),
    ".R": ("script", "R"),
    ".Rmd": ("notebook", "R"),
    ".qmd": ("notebook", None),
    ".sh": ("script", "bash"),
}
"""Suffixes of files that are saved as transforms by default: their kind and their language."""


@click.command(
    epilog=examples(
        'lamin save counts.csv --key raw/counts.csv --description "as they came"',
        "lamin save s3://bucket/images/",
        "lamin save analysis.ipynb",
    )
)
@click.argument("path", shell_complete=completers.files)
@click.option(
    "--key",
    help="Key of the record; by default its path in a storage, or the name of a script.",
)
@click.option("--description", help="Description of the record.")
@click.option("--kind", help="Kind of the data, such as dataset or model.")
@click.option("--stem-uid", help="Save a new version of the record with this uid.")
@click.option("--project", help="Add the record to this project, created if it is new.")
@click.option(
    "--registry",
    "into",
    type=Word(["artifact", "transform"]),
    help="Registry to save in; by default transform for scripts and notebooks, else artifact.",
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
    """Save a file or folder as an artifact; prints its uid.

    PATH may also be an object in a bucket. A script or a notebook is saved as a transform.
    """
    attributes = {"key": key, "description": description, "kind": kind}
    is_code = into == "transform" or (into is None and Path(path).suffix in _CODE)
    saved = (
        _save_code(path, stem_uid, attributes)
        if is_code
        else _save_artifact(path, stem_uid, attributes)
    )
    if project is not None:
        saved.projects.add(ln.Project(name=project).save())
    if as_json:
        output.print_json(annotated(saved))
    else:
        output.echo_done(
            saved.uid,
            done=f"saved {type(saved).__name__.lower()} {printable(saved.key or saved.uid)}, version {saved.version}",
        )


def _save_artifact(path: str, stem_uid: str | None, attributes: dict[str, Any]) -> Any:
    revises = None if stem_uid is None else with_stem(ln.Artifact, stem_uid)
    return ln.Artifact(path, revises=revises, **attributes).save()


def _save_code(path: str, stem_uid: str | None, attributes: dict[str, Any]) -> Any:
    from lamin_core.saving.files import local_path
    from lamin_core.tracking.code import in_file

    file = local_path(path)
    kind, language = _CODE.get(file.suffix, ("script", None))
    revises = None if stem_uid is None else with_stem(ln.Transform, stem_uid)
    code = in_file(file)
    if code.source is None:
        raise InvalidArgument(
            f"not code: {path!r} does not hold text", hint=f"lamin save {path} --registry artifact"
        )
    return code.transform(
        revises=revises, language=language, **{**attributes, "kind": attributes["kind"] or kind}
    ).save()
