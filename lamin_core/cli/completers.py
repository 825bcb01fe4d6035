"""Shell completion of values: files, keys of artifacts, transforms, engines. Never prints an error."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

_AT_MOST = 50
_DTYPES = ("float", "int", "str", "bool", "date", "datetime", "cat[ULabel]", "list[str]", "dict")
_ENGINES = ("snakemake", "nextflow", "prefect", "python", "shell")


def files(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Paths, which the shell itself knows best."""
    return [CompletionItem(incomplete, type="file")]


def folders(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete paths of folders."""
    return [CompletionItem(incomplete, type="dir")]


def keys(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete keys of artifacts."""
    return beginning("Artifact", "key", incomplete)


def transforms(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Keys of transforms, each for its newest run."""
    return beginning("Transform", "key", incomplete)


def engines(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The engines that are tracked here."""
    return [name for name in _ENGINES if name.startswith(incomplete)]


def labels(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete names of labels."""
    return beginning("ULabel", "name", incomplete)


def projects(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete names of projects."""
    return beginning("Project", "name", incomplete)


def features(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete names of features."""
    return beginning("Feature", "name", incomplete)


def dtypes(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete types of features."""
    return [name for name in _DTYPES if name.startswith(incomplete)]


def deleted_keys(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete keys of artifacts in the trash."""
    import lamin_core as ln

    try:
        artifacts = ln.Artifact.trash().filter(key__startswith=incomplete).order_by("-id")
        return list(dict.fromkeys(str(artifact.key) for artifact in artifacts[:_AT_MOST]))
    except Exception:
        return []


def beginning(registry: str, field: str, incomplete: str) -> list[str]:
    """The values of this field with this prefix, the newest first; empty if there is no instance."""
    import lamin_core as ln

    try:
        records = (
            getattr(ln, registry).filter(**{f"{field}__startswith": incomplete}).order_by("-id")
        )
        return list(dict.fromkeys(str(getattr(record, field)) for record in records[:_AT_MOST]))
    except Exception:
        return []  # a line that is being typed is no place for errors
