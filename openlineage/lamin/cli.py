"""The commands `lamin events`, `lamin serve` and `lamin ui`."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from lamin_core.cli import messages, output
from lamin_core.cli.epilog import examples
from lamin_core.enums import DEFAULT_PORT
from lamin_core.errors import MissingExtra, NotFound
from lamin_core.ingest.state_digest import digest
from lamin_core.instance.instance import Instance, connect
from lamin_core.runtime.paths import spool_folder
from lamin_core.runtime.printable import printable, printable_json
from lamin_core.runtime.set_aside import REMEDY, AsideFile, aside_files
from lamin_core.runtime.waiting_folders import forget_folder
from openlineage.lamin.emit.spool import requeue as requeue_events
from openlineage.lamin.emit.spool import take_dropped
from openlineage.lamin.export.events import export as exported
from openlineage.lamin.receive.event_files import EventText, event_texts
from openlineage.lamin.receive.ingest import project_whole_backlog
from openlineage.lamin.receive.quarantine import quarantined_events
from openlineage.lamin.receive.quarantine import retry as retry_held
from openlineage.lamin.receive.rebuild import rebuild as rebuild_registry
from openlineage.lamin.receive.replay import Report, replay_file
from openlineage.lamin.receive.spool_replay import recover
from openlineage.lamin.receive.waiting import bring_in, waiting_for
from openlineage.lamin.validation.lint import lint_log, lint_texts


@click.group(
    epilog=examples("lamin events export > events.ndjson", "lamin events replay events.ndjson")
)
def events() -> None:
    """Export, replay and check OpenLineage events."""


@events.command(epilog=examples("lamin events export > events.ndjson"))
def export() -> None:
    """Print every event as it was received, one JSON object per line."""
    with connect().db.reading() as session:
        is_terminal = sys.stdout.isatty()
        for line in exported(session):
            # For a program each line stays as it was received; a terminal would obey what is in it.
            click.echo(printable_json(line) if is_terminal else line)


@events.command(epilog=examples("lamin events replay", "lamin events replay events.ndjson"))
@click.argument(
    "files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True), metavar="[FILE|-]..."
)
@output.as_json
def replay(files: tuple[Path, ...], as_json: bool) -> None:
    """Record events from files in the registry.

    A file has one event per line (NDJSON), one event, an array, an answer of GET
    /api/v1/events/lineage, or a log with events at the ends of its lines; it may be compressed with
    gzip. Replaying an event twice changes nothing. Without a FILE, the command records the events
    that wait in the spool, removes them from it, and lists events that a receiver has rejected.
    Exits with 1 if something cannot be read.
    """
    instance = connect()
    report = Report()
    with messages.reported_by_command():
        for file in files:
            _replay_file(instance, file, report)
    project_whole_backlog(instance.db)
    dropped = 0
    refused: list[AsideFile] = []
    if not files:
        with messages.reported_by_command():
            recover(instance.db, spool_folder(), report)
            # What waits elsewhere: while this instance could not be used by this user, could not be
            # written to, or was not there yet.
            for waiting in waiting_for(instance.db, instance.folder):
                recover(instance.db, waiting.spool, report, waiting.key)
                forget_folder(waiting.spool, waiting.key)
        dropped = take_dropped(spool_folder())
        refused = aside_files(spool_folder())
    if as_json:
        answer = report.as_dict()
        if not files:
            answer |= {"dropped": dropped, "set_aside": [file.as_dict() for file in refused]}
        output.print_json(answer)
    else:
        output.echo(_summary(report))
    _tell_problems(report, dropped, refused)
    if report.unreadable:
        sys.exit(1)


def _tell_problems(report: Report, dropped: int, refused: Sequence[AsideFile]) -> None:
    if dropped:
        output.echo(f"lost before they could be kept: {dropped} events", err=True)
    for reason, number in Counter(report.quarantined).items():
        output.echo(f"put aside, {number}: {printable(reason)}", err=True)
    for problem in _by_reason(report.unreadable):
        output.echo(f"not read: {printable(problem)}", err=True)
    if report.unreadable:
        output.echo(_LAYOUT_HINT, err=True)
    for file in refused:
        output.echo(f"set aside: {printable(str(file))}", err=True)
    if refused:
        output.echo(REMEDY, err=True)


_LAYOUT_HINT = (
    "hint: an event is a JSON object; of other JSON: jq -c '.[]' FILE | lamin events replay -"
)


@events.command(epilog=examples("lamin events requeue"))
@output.as_json
def requeue(as_json: bool) -> None:
    """Send events again that a receiver has rejected.

    The command puts them back into the spool. The next run that sends to the same receiver delivers
    them, or `lamin events replay` records them here. Events that are rejected again are set aside
    again.
    """
    folder = spool_folder()
    count = requeue_events(folder)
    if as_json:
        output.print_json({"requeued": count, "folder": str(folder)})
    elif count:
        output.echo(
            f"{count} wait again in {folder}: the next run sends them, or: lamin events replay"
        )
    else:
        output.echo(f"nothing was set aside in {folder}")


def _replay_file(instance: Instance, file: Path, report: Report) -> None:
    database = instance.db
    if str(file) == "-":
        replay_file(database, sys.stdin.buffer, report)
        return
    try:
        with file.open("rb") as stream:
            replay_file(database, stream, report)
    except OSError as error:
        raise NotFound(
            f"{str(file)!r} cannot be read: {error.strerror}", hint="name a file of events"
        ) from error


_NAMED = 5
"""Lines of a file that are named of each reason."""


def _by_reason(problems: Sequence[str]) -> list[str]:
    """The lines that could not be read, one line for each reason.

    >>> _by_reason(["line 1: not JSON", "line 3: not JSON", "line 4: no run"])
    ['line 1, line 3: not JSON', 'line 4: no run']
    """
    positions: dict[str, list[str]] = {}
    for problem in problems:
        position, _, reason = (
            problem.partition(": ") if problem.startswith("line ") else (problem, "", "")
        )
        positions.setdefault(reason, []).append(position)
    lines = []
    for reason, lines_with_it in positions.items():
        number = len(lines_with_it) - _NAMED
        more = f" and {number} more" if number > 0 else ""
        named = f"{', '.join(lines_with_it[:_NAMED])}{more}"
        lines.append(f"{named}: {reason}" if reason else named)
    return lines


def _summary(report: Report) -> str:
    return (
        f"{report.taken} taken, {report.known} known already, {len(report.quarantined)} put aside"
    )


@events.command(epilog=examples("lamin events quarantine"))
@output.as_json
def quarantine(as_json: bool) -> None:
    """List the events in quarantine, each with the reason.

    They are JSON, but not an event, or an event without a time, a run or a job.
    """
    with connect().db.reading() as session:
        quarantined = list(quarantined_events(session))
    if as_json:
        output.print_json([event.as_dict() for event in quarantined])
        return
    for event in quarantined:
        output.echo(printable(f"{event.id}  {event.received_at:%Y-%m-%d %H:%M}  {event.reason}"))
        output.echo("    ", printable(event.body[:100]))
    output.echo(
        f"{len(quarantined)} held"
        + ("; try again with: lamin events retry" if quarantined else ""),
        err=True,
    )


@events.command(epilog=examples("lamin events retry"))
@output.as_json
def retry(as_json: bool) -> None:
    """Process the events in quarantine again.

    Events that still cannot be processed stay in quarantine; then the command exits with 1.
    """
    outcome = retry_held(connect().db)
    text = f"{outcome.taken} taken, {outcome.held} still held"
    output.print_json(asdict(outcome)) if as_json else output.echo(text)
    if outcome.held:
        sys.exit(1)


@events.command(epilog=examples("lamin events rebuild"))
@output.as_json
def rebuild(as_json: bool) -> None:
    """Compute the registry again from its events.

    Records and changes that people made stay. You can run the command at any time, and repeat it.
    """
    database = connect().db
    outcome = rebuild_registry(database)
    with database.reading() as session:
        state_digest = digest(session)
    facts = {**asdict(outcome), "digest": state_digest}
    counts = f"{outcome.runs} runs, {outcome.others} events without one, {outcome.dropped} dropped"
    text = f"{counts}; digest {state_digest[:16]}"
    output.print_json(facts) if as_json else output.echo(text)


@events.command(epilog=examples("lamin events lint", "lamin events lint events.ndjson --json"))
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, allow_dash=True), metavar="[FILE|-]"
)
@output.as_json
def lint(file: Path | None, as_json: bool) -> None:
    """Check events against the official OpenLineage schemas.

    It checks the events of the registry, or of a file, including formats. Exits with 1 if an event is
    invalid.
    """
    report = lint_log(connect().db) if file is None else lint_texts(_texts(file))
    if as_json:
        output.print_json(report.as_dict())
    else:
        for location, problem in report.problems:
            output.echo(printable(f"{location}: {problem}"))
        output.echo(f"{report.judged} judged, {report.invalid} invalid", err=True)
    if report.invalid:
        sys.exit(1)


def _texts(file: Path) -> list[EventText]:
    if str(file) == "-":
        return list(event_texts(sys.stdin.buffer))
    try:
        with file.open("rb") as stream:
            return list(event_texts(stream))
    except OSError as error:
        raise NotFound(
            f"{str(file)!r} cannot be read: {error.strerror}", hint="name a file of events"
        ) from error


@click.command(epilog=examples("lamin serve", "lamin serve --host 0.0.0.0 --port 8080"))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; every other address needs a key.",
)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on.",
)
@click.option(
    "--write",
    is_flag=True,
    help="Let everybody who needs no key edit descriptions, labels, features and notes.",
)
def serve(host: str, port: int, write: bool) -> None:
    """Receive OpenLineage events over HTTP and show the web pages."""

    def announce(taken: int) -> None:
        output.echo(f"taking events for {instance.folder.parent}", err=True)
        output.echo(f"producers set OPENLINEAGE_URL=http://{host}:{taken}", err=True)
        output.echo(f"web pages: http://{host}:{taken}/", err=True)
        output.echo(f"what can be asked: http://{host}:{taken}/api/v1/openapi.json", err=True)

    instance = connect()
    _run_server(instance, host, port, announce, takes_events=True, is_writable=write)


@click.command(epilog=examples("lamin ui", "lamin ui --no-browser --port 8080"))
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    help="Port to listen on; by default any free port.",
)
@click.option("--no-browser", is_flag=True, help="Only print the URL; do not open a browser.")
@click.option(
    "--write",
    is_flag=True,
    help="Let everybody who needs no key edit descriptions, labels, features and notes.",
)
def ui(port: int, no_browser: bool, write: bool) -> None:
    """Show the registry in the browser.

    Only this machine can reach the pages, and without --write they change nothing. `lamin serve`
    shows the same pages and also receives events. Both run until they are interrupted.
    """

    def announce(taken: int) -> None:
        url = f"http://127.0.0.1:{taken}/"
        output.echo(url)
        sys.stdout.flush()
        output.echo(f"shows {instance.folder.parent}; Ctrl-C ends it", err=True)
        if not no_browser:
            # In a thread, as a browser of the terminal would hold up the server that it asks.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    instance = connect()
    _run_server(instance, "127.0.0.1", port, announce, takes_events=False, is_writable=write)


def _run_server(
    instance: Instance,
    host: str,
    port: int,
    announce: Callable[[int], None],
    *,
    takes_events: bool,
    is_writable: bool,
) -> None:
    try:
        from lamin_core.server.serve import serve as run
        from openlineage.lamin.http.app import application
    except ImportError as error:
        raise MissingExtra(str(error.name), "server") from error
    bring_in(instance)
    make_application = partial(application, takes_events=takes_events, is_writable=is_writable)
    run(instance.db, host, port, os.environ.get("LAMIN_API_KEY"), announce, make_application)
