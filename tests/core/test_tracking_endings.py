"""The ends of runs: real scripts in processes of their own, with real exit codes and real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import update

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.runtime import process
from tests.support.commands import on_terminal

Write = Callable[[str, str], Path]
SCRIPT = """
import os, signal, sys, time
import lamin_core as ln
{before}
ln.track({track})
{then}
"""


@pytest.fixture
def start_script(
    instance: Instance, write: Write
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a script that tracks itself and then does this."""
    with ExitStack() as scripts:
        yield lambda *args, **kwargs: scripts.enter_context(_script_process(write, *args, **kwargs))


@contextmanager
def _script_process(
    write: Write, then: str, before: str = "", track: str = ""
) -> Iterator[subprocess.Popen[str]]:
    path = write("a.py", SCRIPT.format(before=before, then=then, track=track))
    command = [sys.executable, str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as script:
        try:
            yield script
        finally:
            script.kill()


def _run_end(script: subprocess.Popen[str]) -> tuple[int, str | None, str | None]:
    """The exit code, and status and error of the one run."""
    _, errors = script.communicate(timeout=120)
    run = ln.Run.filter(transform__key="a.py").one()
    assert run.finished_at is not None or run.status in ("running", "lost"), errors
    return script.returncode, run.status, run.error


@pytest.mark.parametrize(
    ("then", "code", "status", "error"),
    [
        ("sys.exit(3)", 3, "failed", "exit code 3"),
        ("sys.exit()", 0, "completed", None),
        ("sys.exit('no luck')", 1, "failed", "no luck"),
        ("exit(2)", 2, "failed", "exit code 2"),
        (
            "def main():\n    raise SystemExit(4)\nmain()",
            4,
            "failed",
            "SystemExit; its code was not seen: end with ln.finish() or sys.exit(code)",
        ),
        ("try:\n    sys.exit(3)\nexcept SystemExit:\n    pass", 0, "completed", None),
        ("try:\n    sys.exit(3)\nfinally:\n    ln.finish()", 3, "completed", None),
        ("raise KeyboardInterrupt", -signal.SIGINT, "aborted", "KeyboardInterrupt"),
        ("ln.context.run.fail('bad data')\nln.finish()", 0, "failed", "bad data"),
        ("ln.context.run.abort()", 0, "aborted", "aborted"),
    ],
)
def test_exit_code_and_exception_determine_the_status_of_the_run(
    start_script: Callable[..., subprocess.Popen[str]],
    then: str,
    code: int,
    status: str,
    error: str | None,
) -> None:
    assert _run_end(start_script(then)) == (code, status, error)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signal_aborts_the_run_and_ends_the_process_as_usual(
    start_script: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    script = start_script("print('ready', flush=True)\nln.step(time.sleep)(60)")
    assert script.stdout is not None
    script.stdout.readline()
    _wait(lambda: ln.Run.count() == 2)
    script.send_signal(number)
    code, status, error = _run_end(script)
    assert (code, status) == (-number, "aborted")
    assert error == ("KeyboardInterrupt" if number is signal.SIGINT else f"ended by {number.name}")
    assert {run.status for run in ln.Run.all()} == {"aborted"}


def test_signal_handler_of_the_user_stays(
    start_script: Callable[..., subprocess.Popen[str]],
) -> None:
    mine = "def mine(*_):\n    print('mine', flush=True)\nsignal.signal(signal.SIGTERM, mine)"
    script = start_script(
        "os.kill(os.getpid(), signal.SIGTERM)\nassert signal.getsignal(signal.SIGTERM) is mine",
        before=mine,
    )
    assert _run_end(script) == (0, "completed", None)


def test_signal_handlers_exit_and_streams_are_restored_after_the_run(
    start_script: Callable[..., subprocess.Popen[str]],
) -> None:
    look = "(signal.getsignal(signal.SIGTERM), sys.exit, sys.stdout, sys.stderr, sys.excepthook, dict(os.environ))"
    script = start_script(
        f"here = {look}\nassert here[2:5] == before[2:5] != here[:2]\nln.finish()\nassert before == {look}",
        before=f"before = {look}",
    )
    assert _run_end(script) == (0, "completed", None)


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_run_of_a_process_that_exits_abruptly_is_marked_lost(
    instance: Instance, start_script: Callable[..., subprocess.Popen[str]], end: str
) -> None:
    assert _run_end(start_script(end))[1] == "running"
    assert instance.runs.find_lost() == 1
    run = ln.Run.one()
    assert (run.status, run.error) == (
        "lost",
        "the process ended without reporting the end of its run",
    )
    assert instance.runs.find_lost() == 0


def set_columns(instance: Instance, run: ln.Run, **values: object) -> None:
    """Write columns that the registry alone sets."""
    with instance.db.writing() as session:
        session.execute(update(ln.Run).where(ln.Run.id == run.id).values(**values))


def test_run_is_lost_if_another_process_has_its_pid(
    instance: Instance,
) -> None:
    run = ln.Run(ln.Transform(key="t").save()).save()
    assert (run.pid, run.host) == (os.getpid(), process.host())
    assert instance.runs.find_lost() == 0
    *origin, tick = run.process_birth.split("/")
    birth = "/".join(
        [*origin, str(int(tick) - 1)]
    )  # this id, given to a process that began before us
    set_columns(instance, run, process_birth=birth)
    assert instance.runs.find_lost() == 1


@pytest.mark.parametrize(
    ("field", "value"), [("host", "elsewhere"), ("process_birth", "another/machine/1/2")]
)
def test_run_on_another_machine_is_not_marked_lost(
    instance: Instance, field: str, value: str
) -> None:
    run = ln.Run(ln.Transform(key="t").save()).save()
    set_columns(instance, run, **{"pid": 2**22 + 1, field: value})  # more than Linux gives
    assert instance.runs.find_lost() == 0


def test_report_true_saves_the_log(
    start_script: Callable[..., subprocess.Popen[str]], instance: Instance
) -> None:
    script = start_script(
        "print('out')\nprint('err', file=sys.stderr)\nraise ValueError('no luck')",
        track="report=True",
    )
    out, errors = script.communicate(timeout=120)
    run = ln.Run.one()
    assert (out, run.status, run.report.kind) == ("out\n", "failed", "report")
    text = run.report.load(is_run_input=False)
    assert text.startswith("out\nerr\nTraceback")
    assert text.endswith("ValueError: no luck\n")
    assert errors.endswith("ValueError: no luck\n")
    assert run.output_artifacts.count() == 0
    assert list((instance.folder / "logs").iterdir()) == []


ALL_WAYS = """
print('one')
subprocess.run(['echo', 'two'])
print('three')
subprocess.run([sys.executable, '-c', "import sys; print('four', file=sys.stderr)"])
os.write(1, b'five\\n')
print(sys.stdout.isatty(), subprocess.run(['test', '-t', '1']).returncode == 0)
ln.finish()
print('six')
"""


def test_log_contains_output_of_subprocesses(
    start_script: Callable[..., subprocess.Popen[str]],
) -> None:
    script = start_script(ALL_WAYS, before="import subprocess", track="report=True")
    out, errors = script.communicate(timeout=120)
    assert (out, errors) == ("one\ntwo\nthree\nfive\nFalse False\nsix\n", "four\n")
    text = ln.Run.one().report.load(is_run_input=False)
    assert text.replace("four\n", "") == "one\ntwo\nthree\nfive\nFalse False\n"
    assert text.count("four\n") == 1


def test_output_with_a_log_is_still_a_terminal(instance: Instance, write: Write) -> None:
    then = ALL_WAYS
    path = write("a.py", SCRIPT.format(before="import subprocess", then=then, track="report=True"))
    shown, code = on_terminal(sys.executable, str(path))
    messages = [
        line for line in shown.splitlines() if line.startswith(("lamin: started", "noted: "))
    ]
    assert len(messages) == 2
    for line in messages:
        shown = shown.replace(f"{line}\n", "")
    assert (shown, code) == ("one\ntwo\nthree\nfour\nfive\nTrue True\nsix\n", 0)
    assert "True True" in ln.Run.one().report.load(is_run_input=False)


def test_subprocess_that_outlives_the_script_can_still_print(
    start_script: Callable[..., subprocess.Popen[str]], in_tmp_path: Path
) -> None:
    later = "while [ ! -e go ]; do sleep 0.1; done; echo later; echo $? > done"
    script = start_script(
        f"subprocess.Popen(['sh', '-c', {later!r}])",
        before="import subprocess",
        track="report=True",
    )
    assert script.wait(60) == 0
    assert ln.Run.one().status == "completed"
    (in_tmp_path / "go").touch()
    assert script.stdout is not None
    assert script.stdout.read() == "later\n"
    assert (in_tmp_path / "done").read_text() == "0\n"


def test_log_is_not_saved_by_default(start_script: Callable[..., subprocess.Popen[str]]) -> None:
    assert _run_end(start_script("print('out')")) == (0, "completed", None)
    assert ln.Run.one().report is None


def test_scheduled_run_starts_later(instance: Instance) -> None:
    run = ln.Run(
        ln.Transform(key="t").save(),
        status="scheduled",
        reference="ticket 7",
        reference_type="ticket",
    ).save()
    assert (run.status, run.started_at) == ("scheduled", None)
    assert run.start().status == "running"
    assert run.complete().duration is not None
    reloaded = ln.Run.get(run.uid)
    assert (reloaded.status, reloaded.reference, reloaded.reference_type) == (
        "completed",
        "ticket 7",
        "ticket",
    )
    with pytest.raises(ln.errors.InvalidArgument, match="cannot begin 'completed'"):
        ln.Run(ln.Transform(key="t").save(), status="completed")


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_track_prints_one_line_on_a_terminal_only(
    instance: Instance, write: Callable[[str, str], Path]
) -> None:
    script = write("fit.py", "import lamin_core as ln\nln.track()\n")
    command = [sys.executable, str(script)]
    shown, code = on_terminal(*command)
    run = ln.Run.filter(transform__key="fit.py").one()
    assert code == 0
    assert shown.splitlines() == [
        f"lamin: started run {run.uid} of fit.py, version 0000",
        f"noted: 0 inputs, 0 outputs of run {run.uid} (lamin lineage --run {run.uid})",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    loud = {**os.environ, "LAMIN_VERBOSITY": "info"}
    printed = subprocess.run(command, capture_output=True, text=True, env=loud).stderr
    assert "lamin: started run" in printed
    below = {**loud, "LAMIN_INITIATED_BY_RUN_UID": run.uid}
    assert (
        subprocess.run(command, capture_output=True, text=True, env=below).stderr.count(
            "lamin: started run"
        )
        == 0
    )
