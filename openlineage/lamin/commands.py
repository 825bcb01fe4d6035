"""The commands `lamin events` and `lamin serve`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from lamin_core.cli.example import examples
from lamin_core.cli.output import as_json
from lamin_core.errors import MissingExtra, NotFound
from lamin_core.instance import Instance, connect
from lamin_core.lineage.digest import digest
from lamin_core.location import spool_folder
from lamin_core.set_aside import REMEDY, AsideFile, aside_files
from openlineage.lamin.export import export as exported
from openlineage.lamin.linting import lint_lines, lint_log
from openlineage.lamin.quarantine import held
from openlineage.lamin.quarantine import retry as retry_held
from openlineage.lamin.rebuilding import rebuild as rebuild_registry
from openlineage.lamin.receiver import settle_all
from openlineage.lamin.recovery import recover
from openlineage.lamin.replay import Report
from openlineage.lamin.replay import replay as replayed
from openlineage.lamin.spool import requeue as requeue_events
from openlineage.lamin.spool import take_dropped


@click.group(epilog=examples("lamin events export > events.ndjson", "lamin events replay events.ndjson"))
def events() -> None:
    """OpenLineage events: out of the registry and into it."""


@events.command(epilog=examples("lamin events export > events.ndjson"))
def export() -> None:
    """Print every event, one JSON object a line, as it was received."""
    with connect().db.reading() as session:
        for line in exported(session):
            click.echo(line)


@events.command(epilog=examples("lamin events replay", "lamin events replay events.ndjson"))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True), metavar="[FILE|-]...")
@as_json
def replay(files: tuple[Path, ...], as_json: bool) -> None:
    """Bring events from NDJSON files into the registry.

    Each event once, however often it is replayed. Without a FILE: the spool, where events wait that found no
    registry; what is taken is removed from it, and what a receiver has refused is named. Exits with 1 when something
    could not be read.
    """
    instance = connect()
    report = Report()
    for file in files:
        _replay_file(instance, file, report)
    settle_all(instance.db)
    dropped = 0
    refused: list[AsideFile] = []
    if not files:
        recover(instance.db, spool_folder(), report)
        dropped = take_dropped(spool_folder())
        refused = aside_files(spool_folder())
    if as_json:
        answer = report.as_dict()
        if not files:
            answer |= {"dropped": dropped, "set_aside": [file.as_dict() for file in refused]}
        click.echo(json.dumps(answer))
    else:
        click.echo(_summary(report))
    _tell_problems(report, dropped, refused)
    if report.unreadable:
        sys.exit(1)


def _tell_problems(report: Report, dropped: int, refused: Sequence[AsideFile]) -> None:
    if dropped:
        click.echo(f"lost before they could be kept: {dropped} events", err=True)
    for problem in report.unreadable:
        click.echo(f"not read: {problem}", err=True)
    for file in refused:
        click.echo(f"set aside: {file}", err=True)
    if refused:
        click.echo(REMEDY, err=True)


@events.command(epilog=examples("lamin events requeue"))
@as_json
def requeue(as_json: bool) -> None:
    """Let events that a receiver has refused be sent again.

    They wait in the spool as they did before: the next run that sends to the same place delivers them, and
    `lamin events replay` takes them in here. What is refused again is set aside again.
    """
    folder = spool_folder()
    count = requeue_events(folder)
    if as_json:
        click.echo(json.dumps({"requeued": count, "folder": str(folder)}))
    elif count:
        click.echo(f"{count} wait again in {folder}: the next run sends them, or: lamin events replay")
    else:
        click.echo(f"nothing was set aside in {folder}")


def _replay_file(instance: Instance, file: Path, report: Report) -> None:
    database = instance.db
    if str(file) == "-":
        replayed(database, sys.stdin.buffer, report)
        return
    try:
        with file.open("rb") as lines:
            replayed(database, lines, report)
    except OSError as error:
        raise NotFound(f"{str(file)!r} cannot be read: {error.strerror}", hint="name an NDJSON file") from error


def _summary(report: Report) -> str:
    return f"{report.taken} taken, {report.known} known already, {len(report.quarantined)} put aside"


@events.command(epilog=examples("lamin events quarantine"))
@as_json
def quarantine(as_json: bool) -> None:
    """List the events that are held back, each with the reason.

    JSON that is no event, or an event that cannot be placed.
    """
    with connect().db.reading() as session:
        found = list(held(session))
    if as_json:
        click.echo(json.dumps([one.as_dict() for one in found]))
        return
    for one in found:
        click.echo(f"{one.id}  {one.received_at:%Y-%m-%d %H:%M}  {one.reason}\n    {one.body[:100]}")
    click.echo(f"{len(found)} held" + ("; try again with: lamin events retry" if found else ""), err=True)


@events.command(epilog=examples("lamin events retry"))
@as_json
def retry(as_json: bool) -> None:
    """Try the events that are held back once more.

    What cannot be placed stays. Exits with 1 when some do.
    """
    outcome = retry_held(connect().db)
    click.echo(json.dumps(asdict(outcome)) if as_json else f"{outcome.taken} taken, {outcome.held} still held")
    if outcome.held:
        sys.exit(1)


@events.command(epilog=examples("lamin events rebuild"))
@as_json
def rebuild(as_json: bool) -> None:
    """Make the registry anew from its events.

    What people made stays. Safe to run at any time, and twice.
    """
    database = connect().db
    outcome = rebuild_registry(database)
    with database.reading() as session:
        found = digest(session)
    told = {**asdict(outcome), "digest": found}
    text = f"{outcome.runs} runs, {outcome.others} events without one, {outcome.dropped} dropped; digest {found[:16]}"
    click.echo(json.dumps(told) if as_json else text)


@events.command(epilog=examples("lamin events lint", "lamin events lint events.ndjson --json"))
@click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True), metavar="[FILE|-]")
@as_json
def lint(file: Path | None, as_json: bool) -> None:
    """Judge events by the official schemas of OpenLineage.

    Formats and all: the registry's events, or those of a file. Exits with 1 when something is wrong with one.
    """
    report = lint_log(connect().db) if file is None else lint_lines(_lines(file))
    if as_json:
        click.echo(json.dumps(report.as_dict()))
    else:
        for place, problem in report.problems:
            click.echo(f"{place}: {problem}")
        click.echo(f"{report.judged} judged, {report.invalid} invalid", err=True)
    if report.invalid:
        sys.exit(1)


def _lines(file: Path) -> list[bytes]:
    if str(file) == "-":
        return sys.stdin.buffer.read().split(b"\n")
    try:
        return file.read_bytes().split(b"\n")
    except OSError as error:
        raise NotFound(f"{str(file)!r} cannot be read: {error.strerror}", hint="name an NDJSON file") from error


@click.command(epilog=examples("lamin serve", "lamin serve --host 0.0.0.0 --port 5001"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need a key.")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
def serve(host: str, port: int) -> None:
    """Take OpenLineage events over HTTP, until interrupted."""
    try:
        from openlineage.lamin.http.serve import serve as run
    except ImportError as error:
        raise MissingExtra(str(error.name), "server") from error
    instance = connect()

    def announce(taken: int) -> None:
        click.echo(f"taking events for {instance.folder.parent}", err=True)
        click.echo(f"producers set OPENLINEAGE_URL=http://{host}:{taken}", err=True)
        click.echo(f"what can be asked: http://{host}:{taken}/api/v1/openapi.json", err=True)

    run(instance.db, host, port, os.environ.get("LAMIN_API_KEY"), announce)
