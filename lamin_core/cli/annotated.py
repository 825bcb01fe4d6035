"""Select artifacts by labels, values of features and projects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import click
from sqlalchemy import Select

import lamin_core as ln
from lamin_core.cli import completers
from lamin_core.errors import InvalidArgument
from lamin_core.models.queryset import QuerySet

Command = TypeVar("Command", bound=Callable[..., object])
_COMPARISON = re.compile(
    r"(?P<name>[^<>=!~]+?)\s*(?P<operator><=|>=|!=|=|<|>|~)\s*(?P<value>.*)", re.S
)
_LOOKUPS = {"=": "", "<": "__lt", "<=": "__lte", ">": "__gt", ">=": "__gte", "~": "__contains"}


def annotation_options(command: Command) -> Command:
    """The options `--label`, `--feature` and `--project`."""
    for option in (
        click.option(
            *("--project", "projects"),
            multiple=True,
            shell_complete=completers.projects,
            help="Only artifacts of this project; can be repeated.",
        ),
        click.option(
            *("--feature", "features"),
            multiple=True,
            metavar="NAME>VALUE",
            shell_complete=completers.features,
            help="Only artifacts with this value of a feature: temperature>20, site=Oslo, or a name; can be repeated.",
        ),
        click.option(
            *("--label", "labels"),
            multiple=True,
            metavar="LABEL",
            shell_complete=completers.labels,
            help="Only with this label, or of this sample.",
        ),
    ):
        command = option(command)
    return command


def annotated_artifacts(
    labels: Sequence[str], features: Sequence[str], projects: Sequence[str], *, trash: bool
) -> Select[tuple[int]] | None:
    """A query for the primary keys of these artifacts; None where nothing was asked for.

    Raises `NotFound` for a label, a project or a feature that does not exist, with the nearest.
    """
    if not (labels or features or projects or trash):
        return None
    chosen = ln.Artifact.trash() if trash else ln.Artifact.all()
    for label in labels:
        chosen = _labelled(chosen, label)
    for project in projects:
        _check_name(ln.Project, project)
        chosen = chosen.filter(projects__name=project)
    for comparison in features:
        chosen = _compared(chosen, comparison)
    return chosen.ids()


def _labelled(chosen: QuerySet[ln.Artifact], label: str) -> QuerySet[ln.Artifact]:
    """Records with this label, or with the sample or other record of this name."""
    if ln.Record.filter(name=label).exists():
        return chosen.filter(ln.Q(ulabels__name=label) | ln.Q(records__name=label))
    _check_name(ln.ULabel, label)
    return chosen.filter(ulabels__name=label)


def _check_name(registry: type[ln.ULabel | ln.Project], name: str) -> None:
    if not registry.filter(name=name).exists():
        registry.get(name=name)  # raises, with the names most like it


def _compared(chosen: QuerySet[ln.Artifact], comparison: str) -> QuerySet[ln.Artifact]:
    match = _COMPARISON.fullmatch(comparison)
    name = comparison.strip() if match is None else match["name"].strip()
    ln.Feature.get(name=name)  # else it would be taken for a field
    if match is None:
        return chosen.having(**{f"{name}__isnull": False})
    value = _value(match["value"])
    if match["operator"] != "!=":
        return chosen.having(**{f"{name}{_LOOKUPS[match['operator']]}": value})
    equal = chosen.having(**{name: value})
    return chosen.having(**{f"{name}__isnull": False}).exclude(id__in=equal)


def _value(text: str) -> object:
    """JSON where it is some, else text. Raises `InvalidArgument` for nothing.

    >>> _value("20"), _value("Oslo")
    (20, 'Oslo')
    """
    if not text:
        raise InvalidArgument(
            "the value of the comparison is missing", hint='--feature "temperature>20"'
        )
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value
