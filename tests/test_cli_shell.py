"""The command line as a citizen of the shell: help, completion, colour, errors, exit codes, speed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lamin_core.cli import SECTIONS, Commands, errors
from lamin_core.cli import lamin as group
from lamin_core.cli.output import colour
from lamin_core.errors import Unavailable
from tests.support.commands import lamin, on_terminal, typed

LAMIN = str(Path(sys.executable).with_name("lamin"))


def test_summaries_in_the_help_match_the_commands() -> None:
    """`lamin --help` reads summaries from the sources: they are what the commands themselves say."""
    context = click.Context(group, info_name="lamin", terminal_width=400, max_content_width=400)
    assert isinstance(group, Commands)
    shown = group.get_help(context)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        summary = (command.short_help or command.help or "").split("\n\n")[0]
        assert " ".join(summary.split())[:90].rsplit(" ", 1)[0] in shown, name


def _below(typed: list[str], command: click.Command) -> Iterator[tuple[list[str], click.Command]]:
    yield typed, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _below([*typed, name], child)


def _typed_in(line: str) -> list[list[str]]:
    """The commands of ours in a line of a shell."""
    inner = re.findall(r"\$\((lamin [^)]*)\)|^trap '(lamin [^']*)'", line)
    parts = [command or other for command, other in inner] or re.split(r" && | > ", line)
    return [shlex.split(part.replace("$?", "0")) for part in parts if part.startswith("lamin ")]


def test_example_in_the_help_of_every_command_parses() -> None:
    for words, command in _below(["lamin"], group):
        if words in (["lamin"], ["lamin", "nextflow"]):  # the start, and what is Nextflow's
            continue
        lines = (command.epilog or "").splitlines()[2:]
        typed = [arguments for line in lines for arguments in _typed_in(line.strip())]
        examples = [arguments for arguments in typed if arguments[: len(words)] == words]
        assert examples, words
        for example in examples:
            context = command.make_context(
                words[-1], example[len(words) :], parent=click.Context(group)
            )
            assert not context.args or isinstance(command, click.Group), example


def test_help_lists_every_command_in_a_section() -> None:
    shown = typed("--help").stdout
    assert [title for title in SECTIONS if f"\n{title}:\n" not in shown] == []
    assert "Others:" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert " ..." not in re.sub(r"main\.nf \.\.\.|ARGS\]\.\.\.", "", shown)


def test_help_imports_no_command_module() -> None:
    code = """
import sys
from lamin_core.cli import lamin
try: lamin(["--help"], standalone_mode=False)
finally: print([m for m in ("sqlalchemy", "lamin_core.cli.lineage", "openlineage.lamin.cli") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Show the lineage of an artifact" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_version_option_does_not_import_importlib_metadata() -> None:
    code = """
import sys
from lamin_core.cli import lamin
lamin(["--version"], standalone_mode=False)
print([m for m in ("importlib.metadata", "sqlalchemy", "rich", "lamin_core.instance.instance") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version_option_imports_few_modules() -> None:
    code = """
import sys
from lamin_core.cli import lamin
lamin(["--version"], standalone_mode=False)
print(len(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=_site()
    )
    assert int(done.stdout.splitlines()[-1]) < 150


def _site() -> dict[str, str]:
    """Packages without what their `.pth` files load at every start of Python."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def test_version_option_takes_little_time() -> None:
    took = []  # in processor time: how busy the machine is with other things is not the point
    for _ in range(5):
        before = os.times()
        subprocess.run([LAMIN, "--version"], check=True, capture_output=True)
        after = os.times()
        spent = (
            after.children_user - before.children_user,
            after.children_system - before.children_system,
        )
        took.append(sum(spent))
    assert min(took) < 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lineag"], "Did you mean 'lineage'?"),
        (["qqqq"], "Commands are: annotate, artifacts, "),
        (["lineage", "--as-off"], "Did you mean '--as-of'?"),
        (["completion", "zhs"], "Did you mean 'zsh'?"),
        (["--debg"], "Did you mean '--debug'?"),
    ],
)
def test_misspelled_command_or_option_gets_a_suggestion(arguments: list[str], message: str) -> None:
    done = typed(*arguments, code=2)
    assert message in done.stderr
    assert done.stdout == ""


def test_error_lines_are_message_reason_and_hint() -> None:
    error = Unavailable("'/data' takes no more", hint="free some space")
    error.__cause__ = OSError(28, "No space left on device")
    assert errors.lines(error)[1:] == [
        "  why: OSError: No space left on device",
        "  hint: free some space",
    ]
    error = Unavailable("'/data' takes no more: No space left on device")
    error.__cause__ = OSError(28, "No space left on device")
    assert len(errors.lines(error)) == 1


def test_internal_error_shows_a_traceback_only_in_debug_mode(in_tmp_path: Path) -> None:
    broken = "from lamin_core import cli; cli._BUILT_IN['broken'] = 'nowhere.at.all:x'; cli.main()"
    run = [sys.executable, "-c", broken]
    done = subprocess.run([*run, "broken"], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "why: ModuleNotFoundError: No module named 'nowhere'" in done.stderr
    assert "lamin --debug" in done.stderr
    for arguments, variables in ((["--debug", "broken"], {}), (["broken"], {"LAMIN_DEBUG": "1"})):
        env = {**os.environ, **variables}
        done = subprocess.run(
            [*run, *arguments], capture_output=True, text=True, check=False, env=env
        )
        assert "Traceback" in done.stderr


WAIT = """
import sys, time, click
from lamin_core import cli
@click.command()
def wait():
    print("in", flush=True)
    time.sleep(60)
sys.modules["waiting"] = sys.modules["__main__"]
cli._BUILT_IN["wait"] = "waiting:wait"
cli.main(["wait"])
"""


def test_interrupt_exits_with_130(in_tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (130, "lamin: interrupted")


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, None),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, None),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, None),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"CI": "true"}, False),
        ({"CI": "true", "FORCE_COLOR": "1"}, True),
        ({"TERM": "dumb"}, False),
    ],
)
def test_environment_decides_on_colour(environment: dict[str, str], coloured: bool | None) -> None:
    assert colour(environment) is coloured


def test_colour_is_used_on_terminals_only(in_tmp_path: Path) -> None:
    plain = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "FORCE_COLOR", "CI")
    }
    plain["TERM"] = "xterm"
    wrong = ("settings", "get", "nonsense")  # an error that needs no instance
    assert "\x1b[" in on_terminal(LAMIN, *wrong, env=plain)[0]
    assert "\x1b[" not in on_terminal(LAMIN, *wrong, env={**plain, "NO_COLOR": "1"})[0]
    assert "\x1b[" not in on_terminal(LAMIN, *wrong, env={**plain, "CI": "1"})[0]
    assert "\x1b[" not in lamin(*wrong, code=2, env=plain).stderr
    assert "\x1b[" in lamin(*wrong, code=2, env={**plain, "FORCE_COLOR": "1"}).stderr


def _completed(shell: str, line: str, folder: Path) -> list[str]:
    """The completions that bash offers at the end of this line, after the script is loaded."""
    script = f"""
eval "$({LAMIN} completion {shell})"
complete -p lamin > /dev/null || exit 1
COMP_WORDS=({line}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
COMPREPLY=()
_lamin_completion {LAMIN}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, cwd=folder
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_and_options(in_tmp_path: Path) -> None:
    assert _completed("bash", "lamin lin", in_tmp_path) == ["lineage"]
    assert {"--json", "--up", "--down"} <= set(_completed("bash", "lamin lineage --", in_tmp_path))
    assert _completed("bash", "lamin completion z", in_tmp_path) == ["zsh"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts_are_valid_in_zsh_and_fish(shell: str, in_tmp_path: Path) -> None:
    script = typed("completion", shell).stdout
    assert f"_LAMIN_COMPLETE={shell}_complete" in script
    if shutil.which(shell) is not None:
        Path("script").write_text(script)
        subprocess.run([shell, "-n", "script"], check=True)
