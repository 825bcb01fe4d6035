"""Runs of scripts and notebooks: `track()` begins one, `finish()` ends it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import Any

import sqlalchemy

from lamin_core.enums import RunStatus
from lamin_core.errors import (
    Hint,
    InvalidArgument,
    LaminError,
    NotFound,
    NotTracked,
    UntrustedInstance,
)
from lamin_core.instance.instance import Instance
from lamin_core.models import Artifact, Project, Run, Transform
from lamin_core.models.lamindb_names import check_options, warn_of_branches
from lamin_core.runtime import current, git
from lamin_core.runtime.printable import printable
from lamin_core.runtime.redaction import redact_command, redact_file, redact_text
from lamin_core.runtime.sharing import create_file, make_folder
from lamin_core.saving.transforms import amend
from lamin_core.tracking import notebooks, termination
from lamin_core.tracking.code import Code, at_work, in_file
from lamin_core.tracking.embedding import r_document, r_script, watch_render_of_r
from lamin_core.tracking.functions import tell_processes
from lamin_core.tracking.log_capture import Log
from lamin_core.tracking.noted_files import note_watched, tell_noted, watch_run
from lamin_core.tracking.start import begun, instance, project_folder
from lamin_core.tracking.termination import Outcome
from lamin_core.uids import random_uid
from lamin_core.watching import opening

logger = logging.getLogger("lamin")


def track(
    transform: Transform | str | None = None,
    *,
    uid: str | None = None,
    key: str | None = None,
    kind: str | None = None,
    description: str | None = None,
    source_code: str | None = None,
    path: str | os.PathLike[str] | None = None,
    params: dict[str, Any] | None = None,
    features: dict[str, Any] | None = None,
    name: str | None = None,
    project: str | None = None,
    initiated_by_run: Run | None = None,
    new_run: bool = True,
    report: bool = False,
    space: object = None,
    branch: object = None,
    **options: object,
) -> Run:
    """Start a run of this script or notebook.

    After this call, artifacts that are loaded are inputs of the run, and artifacts that are saved
    are its outputs. End the run with `finish()`. Without `finish()`, the run ends with the script,
    as completed or failed like the script. If another tracked run started this process, that run is
    the parent. If the instance belongs to somebody else and this user has not allowed it, there is
    one warning, nothing is recorded, and the returned run is not saved.

    Args:
        transform: A saved transform, or a uid. By default the transform is the script itself; it
            gets a new version whenever its source has changed.
        uid: Keeps the script the same transform if its file is moved. 12 characters identify all
            versions of the transform, 16 characters one version.
        key: The key of the transform; by default the name of the file.
        kind: The kind of a new transform, such as `notebook` or `script`.
        description: The title of a new transform.
        source_code: The source, if it is not in a file.
        path: The file that contains the source, if it is not the running script.
        params: Parameters of the run, stored as JSON with secrets masked. Those of an R Markdown or
            Quarto document are added to them.
        features: Values of registered features for the run.
        name: The name of the run; by default the key of the transform.
        project: The name of a saved project to which the run belongs.
        initiated_by_run: The parent run, if the environment does not name it.
        new_run: With False, continue your last run of this version.
        report: With True, store what is printed as `run.report`.
        space: Argument of LaminDB, ignored with one warning.
        branch: Argument of LaminDB, ignored with one warning.
        options: Other arguments of LaminDB, which are ignored or refused.

    Returns:
        The run, saved and started.

    Raises:
        InstanceNotFound: There is no instance in the working directory or above it.
        Conflict: The source is not that of the version that `uid` names.
        InvalidArgument: An argument has a value that cannot be used.

    Examples:
        >>> import lamin_core as ln
        >>> _ = ln.setup.init("data")
        >>> run = ln.track(key="fit.py", source_code="...", params={"alpha": 0.05})
        >>> run.params
        {'alpha': 0.05}
        >>> print(ln.finish().status)
        completed
    """
    check_options("track", options)
    for argument, value in (("space", space), ("branch", branch)):
        if value is not None:
            warn_of_branches(argument)
    try:
        where = instance()
    except UntrustedInstance as error:
        return _untracked(error)
    where.runs.find_lost()
    if current.process_run() is not None:  # a notebook that is run again from the top
        finish()
    parent = initiated_by_run or current.current_run()
    uid = uid or (transform if isinstance(transform, str) else current.context_value("uid"))
    code = None if isinstance(transform, Transform) else at_work(path)
    draft = transform if isinstance(transform, Transform) else None
    if code is not None:
        transform_description = description or current.context_value("description")
        draft = code.transform(
            uid=uid, key=key, kind=kind, description=transform_description, source_code=source_code
        )
    assert draft is not None
    saved = draft if draft.id else draft.save()
    projects = _projects(where, project)
    run = None if new_run else _last(where, saved)
    is_begun = run is None
    if run is None:
        facts = {"name": name or current.context_value("name") or saved.key}
        params = {**_document_params(), **(params or {})} or None
        run = begun(where, saved, params=params, parent=parent, details=_details(), **facts)
    else:
        where.runs.resume(run)
        watch_run(where, run)
    _announce(run, saved, is_continued=not is_begun)
    script = _Script(where, run, code, report)
    script.begin()
    try:
        _annotate(run, projects, features)
    except Exception as error:  # what was said of it is wrong, so it does not begin
        script.end(termination.outcome(error))
        raise
    return run


def _announce(run: Run, transform: Transform, *, is_continued: bool) -> None:
    """Say in one line on standard error what was made, to people: on a terminal and in a notebook.

    Elsewhere only where the verbosity is `info` or `debug`, and never below another run: a log
    belongs to whoever reads it.
    """
    is_shown = logger.isEnabledFor(logging.INFO) or notebooks.is_running() or _is_terminal()
    if run.parent_id is not None or not is_shown:
        return
    verb = "continued" if is_continued else "started"
    line = f"lamin: {verb} run {run.uid} of {transform.key}, version {transform.version}"
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or none at all
        print(printable(line), file=sys.stderr, flush=True)  # noqa: T201 - for people


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # closed, or none at all
        return False


_untracked_runs: list[Run] = []
"""The run of this process where its instance may not be used, so that `finish()` has something to return."""


def _untracked(error: UntrustedInstance) -> Run:
    """A run that is not recorded, so that the script runs although a parent folder has an instance of another user."""
    logger.warning("this run is not tracked: %s; %s", error.message, error.hint)
    run: Run = sqlalchemy.inspect(Run).class_manager.new_instance()
    run.uid = random_uid(16)
    _untracked_runs[:] = [run]
    return run


def _annotate(run: Run, projects: list[Project], features: dict[str, object] | None) -> None:
    for project in projects:
        run.projects.add(project)
    if features:
        run.features.add_values(features)


def finish(*, ignore_non_consecutive: bool | None = None) -> Run:
    """End the run that `track()` started, as completed.

    Args:
        ignore_non_consecutive: Argument of LaminDB, ignored: cells may run in any order.

    Returns:
        The run.

    Raises:
        NotTracked: `track()` was not called.
    """
    del ignore_non_consecutive
    run: Run | None = current.process_run()
    if run is None and _untracked_runs:
        return _untracked_runs.pop()
    if run is None:
        raise NotTracked("no run is being tracked", hint="call ln.track() first")
    return _scripts[run.uid].end(Outcome(RunStatus.COMPLETED))


def _projects(where: Instance, name: str | None) -> list[Project]:
    """The project with this name, else the one that `LAMIN_CURRENT_PROJECT` names. Raises `NotFound`."""
    project_name = name or os.environ.get("LAMIN_CURRENT_PROJECT")
    if not project_name:
        return []
    match: Project | None = where.query(Project).filter(name=project_name).first()
    if match is None:
        raise NotFound(
            f"no project is called {project_name!r}",
            hint=Hint(
                f'ln.Project(name="{project_name}").save()',
                command="`lamin list project` shows those there are",
            ),
        )
    return [match]


def _last(where: Instance, transform: Transform) -> Run | None:
    """The last run of this version by who is at work."""
    run: Run | None = (
        where.query(Run)
        .filter(transform_id=transform.id, created_by_id=where.user_id, origin="api")
        .order_by("-started_at")
        .first()
    )
    return run


def _details() -> dict[str, Any] | None:
    checkout = git.checkout(project_folder())
    of_r = r_script()
    arguments = [] if notebooks.is_running() else sys.argv[1:]
    if of_r is not None:
        arguments = of_r.arguments
    details = {
        "git": None if checkout is None else checkout.facts(),
        "arguments": redact_command(arguments),
    }
    return {name: value for name, value in details.items() if value} or None


def _document_params() -> dict[str, Any]:
    """The parameters of the R Markdown or Quarto document that is being rendered."""
    document = r_document()
    return {} if document is None else document.params


def _is_masked(report: Path) -> bool:
    """Mask the secrets in this log; False, with a warning, where that cannot be done: then it is not shared."""
    try:
        redact_file(report)
    except OSError as error:
        logger.warning("the report %s is not saved: %s", report, error)
        return False
    return True


class _Script:
    """The run of this process while it is under way."""

    def __init__(self, where: Instance, run: Run, code: Code | None, report: bool) -> None:
        self._where = where
        self._run = run
        self._code = code
        self._document = r_document()
        self._log = (
            Log(where.folder / "logs" / f"{run.uid}.txt")
            if report and not notebooks.is_running()
            else None
        )

    def begin(self) -> None:
        """Make it the current run from now on."""
        _scripts[self._run.uid] = self
        current.set_process_run(self._run)
        termination.remember_main()
        termination.opened(self._run, self.end)
        tell_processes()
        if self._document is not None and self._document.page is not None:
            watch_render_of_r(self._keep_rendered)

    def end(self, how: Outcome) -> Run:
        """End the run, then store its report, which may take longer than the process is allowed to live."""
        termination.closed(self._run)
        if self._log is not None:
            self._log.close()
        self._take_notebook()
        note_watched(self._where, self._run, how)
        ended = self._where.runs.end(self._run, *how)
        current.set_process_run(None)
        _scripts.pop(self._run.uid, None)
        tell_processes()
        tell_noted(self._where, self._run)
        self._keep_report()
        return ended

    def _take_notebook(self) -> None:
        """The notebook as its editor has saved it by now: its source is that of the run."""
        if self._notebook is None or self._code is None:
            return
        with contextlib.suppress(InvalidArgument), opening.unwatched():  # half written; no input
            source = in_file(self._notebook).source
            if source is not None and source != self._code.source:
                amend(self._where.db, self._run, source)

    @property
    def _notebook(self) -> Path | None:
        path = None if self._code is None else self._code.path
        return path if path is not None and path.suffix == ".ipynb" else None

    def _keep_report(self) -> None:
        path = self._where.folder / "logs" / f"{self._run.uid}.txt"
        page = None if self._notebook is None else notebooks.page(self._notebook)
        if page is not None:
            self._keep_page(page)
        elif path.exists() and _is_masked(path):
            self._store(path)

    def _keep_rendered(self) -> None:
        """Store the page of an R Markdown document; a warning where that is impossible, as R goes on."""
        page = None if self._document is None else self._document.page
        if page is None or page.suffix != ".html" or not page.exists():
            return
        try:
            with opening.unwatched():  # the run may still be open: its page is no input of it
                text = page.read_text(encoding="utf-8")
            self._keep_page(text)
        except (LaminError, OSError, ValueError) as error:
            logger.warning("the report %s is not saved: %s", page, error)

    def _keep_page(self, page: str) -> None:
        path = self._where.folder / "logs" / f"{self._run.uid}.html"
        make_folder(path.parent, self._where.folder)
        create_file(path, 0o600)
        path.write_text(redact_text(page), encoding="utf-8")
        self._store(path)

    def _store(self, path: Path) -> None:
        """Save this file as the report of the run, and remove it."""
        artifact = Artifact(path, key=f"reports/{path.name}", kind="report", run=False).save()
        self._where.runs.set_report(self._run, artifact.id)
        path.unlink()


_scripts: dict[str, _Script] = {}
"""The running recordings of this process, by the uid of the run."""
