"""Commands on the instance itself: init, connect, disconnect, info, migrate."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lamin_core import __version__
from lamin_core.cli import completers, output
from lamin_core.cli.epilog import examples
from lamin_core.runtime.paths import (
    FOLDER,
    SETTINGS,
    VARIABLE,
    Located,
    allowed_instances,
    locate_instance,
    nearest_marked,
    require_trusted_instance,
)
from lamin_core.runtime.printable import printable
from lamin_core.runtime.redaction import redact_text
from lamin_core.runtime.sharing import Sharing

_for_user = click.option(
    "--user", "for_user", is_flag=True, help="For all folders of this user without an instance."
)


@click.command(
    epilog=examples(
        "lamin init", "lamin init --storage s3://bucket --db postgresql://user@host/lineage"
    )
)
@click.option(
    "--storage",
    shell_complete=completers.folders,
    help="Folder or URL for copies of files, such as s3://bucket; ./data by default.",
)
@click.option("--db", help="Database URL; by default a SQLite file in .lamin/.")
@click.option(
    "--shared",
    type=click.Choice([choice.value for choice in Sharing]),
    is_flag=False,
    flag_value="group",
    help="Who may use the instance: `private` (default), `group` (also for --shared alone) or `group-read`.",
)
@click.option(
    "--modules",
    help="Registry modules that are installed, joined by commas; `bionty` is there anyway.",
)
@click.option("--name", help="Name of the instance; by default the name of the folder.")
def init(
    storage: str | None, db: str | None, shared: str | None, modules: str | None, name: str | None
) -> None:
    """Create an instance in this folder: a database and a storage.

    If the instance exists, the command opens it, and `--shared` changes who may use it.
    """
    from lamin_core.instance.instance import connect as open_instance
    from lamin_core.instance.instance import init as make
    from lamin_core.instance.instance import require_no_connection
    from lamin_core.instance.modules import check_instance_name, check_modules, rename_instance

    chosen = check_modules(modules)
    new_name = check_instance_name(name)
    require_no_connection(Path.cwd() / FOLDER)
    above = nearest_marked(Path.cwd().parent)
    is_there = os.path.exists(Path.cwd() / FOLDER / SETTINGS)
    is_open = is_there and storage is None and db is None
    if is_open:
        require_trusted_instance(Path.cwd() / FOLDER)
    instance = (
        open_instance(Path.cwd()) if is_open else make(storage or "./data", db=db, modules=chosen)
    )
    if is_open:
        instance.add_modules(chosen)
    if new_name is not None:
        rename_instance(instance.folder, new_name)
    if shared is not None:
        instance.share(Sharing(shared))
    output.echo(f"instance {instance.uid} in {instance.folder}", err=True)
    output.echo(f"  storage:  {instance.storage}", err=True)
    output.echo(f"  database: {redact_text(instance.db.url)}", err=True)
    if shared is not None:
        output.echo(f"  shared:   {shared}", err=True)
    if modules is not None and not chosen:
        output.echo(
            f"  note: --modules {modules} changes nothing; its registries are there anyway",
            err=True,
        )
    for module, revision in instance.db.modules.items():
        output.echo(f"  module:   {module}, schema {revision}", err=True)
    if above is not None:
        output.echo(
            f"  note: {above} has an instance too; from here on down, this one is at work", err=True
        )
    if not is_there:
        output.echo(_NEXT, err=True)


_NEXT = """  next:     ln.track() in a script, lamin run PROGRAM, snakemake --logger lamin, lamin nextflow run;
            then lamin runs, and lamin lineage FILE"""


@click.command(
    epilog=examples(
        "lamin connect ~/projects/atlas", "lamin connect postgresql://user@host/lineage --user"
    )
)
@click.argument("where", metavar="FOLDER|URL", shell_complete=completers.folders)
@_for_user
def connect(where: str, for_user: bool) -> None:
    """Use another instance in this folder and the folders below.

    Name the folder of the instance, or the URL of its database. This also allows the use of an
    instance of somebody else in this folder or above it.
    """
    from lamin_core.instance.setup import allow, attach

    allowed = None if for_user else allow(where, Path.cwd())
    if allowed is not None:
        output.echo(
            f"the instance {allowed} is used from now on; what waited comes in with: lamin events replay",
            err=True,
        )
        return
    pointer = attach(where, None if for_user else Path.cwd())
    located = locate_instance()
    output.echo(f"{pointer} says: {redact_text(where)}", err=True)
    if located is not None and located.origin != str(pointer):
        output.echo(f"  note: here {located.origin} wins, which names {located.folder}", err=True)


@click.command(epilog=examples("lamin disconnect"))
@_for_user
def disconnect(for_user: bool) -> None:
    """Remove the connection of lamin connect; keeps the instance."""
    from lamin_core.instance.setup import detach

    gone = detach(None if for_user else Path.cwd())
    if gone == allowed_instances():
        output.echo(
            "the instance found here is not used any longer, until lamin connect allows it",
            err=True,
        )
    else:
        output.echo(f"{gone} is removed", err=True)


@click.command(epilog=examples("lamin info --show-origin", "lamin info --json"))
@click.option("--show-origin", is_flag=True, help="Also show what selected this instance.")
@output.as_json
@click.pass_context
def info(ctx: click.Context, show_origin: bool, as_json: bool) -> None:
    """Show which instance is used here."""
    from lamin_core.db.database import REVISION
    from lamin_core.instance.instance import connect as open_instance

    instance = open_instance()
    facts = {
        "version": __version__,
        "instance": str(instance.folder),
        "uid": instance.uid,
        "storage": instance.storage,
        "database": redact_text(instance.db.url),
        "schema": REVISION,
    }
    if show_origin:
        facts["origin"] = _origin(locate_instance(), ctx)
    if as_json:
        output.print_json(facts)
        return
    for name, value in facts.items():
        output.echo(f"{name + ':':<10} {printable(value)}")


def _origin(located: Located | None, ctx: click.Context) -> str:
    assert located is not None, "one was opened"
    options = ctx.find_root().obj
    named_before = getattr(options, "instance", None) is not None
    return "--instance" if named_before and located.origin == VARIABLE else located.origin


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "lamin backup before.db && lamin migrate",
        "lamin migrate deploy --modules wetlab",
        'lamin migrate create wetlab --message "wells have a volume"',
    ),
)
@click.pass_context
def migrate(ctx: click.Context) -> None:
    """Upgrade the database to the schema of this version and of its registry modules."""
    if ctx.invoked_subcommand is None:
        _migrate("")


@migrate.command(epilog=examples("lamin migrate deploy --modules wetlab"))
@click.option(
    "--modules",
    default="",
    help="Registry modules to add to the instance.",
)
def deploy(modules: str) -> None:
    """Upgrade the database, and add registry modules to it. If one step fails, nothing changes."""
    _migrate(modules)


@migrate.command(epilog=examples('lamin migrate create wetlab --message "wells have a volume"'))
@click.argument("module")
@click.option("--message", "-m", default="changes", show_default=True, help="A short description.")
def create(module: str, message: str) -> None:
    """Write the next migration of a registry module: the changes of its registries since the last one."""
    from lamin_core.modules.deployment import create_migration
    from lamin_core.modules.installed import check_installed

    check_installed([module])
    output.echo(str(create_migration(module, message)))


def _migrate(modules: str) -> None:
    from lamin_core.db.database import REVISION
    from lamin_core.instance.modules import check_modules
    from lamin_core.migrations import upgrade

    revisions = upgrade(Path.cwd(), check_modules(modules))
    output.echo(f"the database is at schema {REVISION}", err=True)
    for module, revision in revisions.items():
        output.echo(f"module {module} is at schema {revision}", err=True)
