"""The internals of Snakemake that are read: each is where we look for it, and none is needed."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import snakemake.api  # noqa: F401 - its modules import one another in a circle, which begins here

from snakemake_logger_plugin_lamin import internals
from tests.contract.snakemake.playing import environment, rule, write

OF_JOB = (
    *("jobid", "is_group", "input", "output", "log", "benchmark", "threads", "resources"),
    *("params", "params._allitems", "wildcards", "wildcards_dict", "shadow_dir", "group"),
    *("container_img_url", "pipe_or_service_output", "dag.dependencies"),
    "dag.workflow.workflow_settings.wrapper_prefix",
    "dag.workflow.deployment_settings.deployment_method",
    *("rule.name", "rule.snakefile", "rule.docstring", "rule.norun", "rule.is_checkpoint"),
    *("rule.shellcmd", "rule.script", "rule.notebook", "rule.wrapper", "rule.cwl"),
    *("rule.template_engine", "rule.run_func_src", "rule.basedir", "rule.conda_env"),
)

OF_WORKFLOW = (
    *("main_snakefile", "included", "config", "configfiles", "dag_settings.targets"),
    *("resource_settings.cores", "resource_settings.nodes", "logger_manager.get_logfile"),
)

OF_EXECUTOR = ("name", "common_settings.dryrun_exec", "common_settings.touch_exec")

OF_FILE = ("flags",)
FUNCTIONS = (
    *("snakemake.sourcecache:SourceFile", "snakemake.sourcecache:infer_source_file"),
    *("snakemake.utils:format", "snakemake.wrapper:EXTENSIONS", "snakemake.wrapper:get_path"),
    *(internals.SHELL_PROCESSES, internals.EXECUTOR_PROCESSES),
    "snakemake.exceptions:SpawnedJobError",
)
SENTENCES = {
    internals.INTERRUPTED: "snakemake.scheduling.job_scheduler",
    internals.TERMINATED: "snakemake.scheduling.job_scheduler",
    internals.NOTHING_TO_DO: "snakemake.common",
    internals.LOCAL_COPY_REMOVED: "snakemake.dag",
    internals.LINKED_FROM_CACHE: "snakemake.caching.local",
    internals.COPIED_FROM_CACHE: "snakemake.caching.local",
    internals.SUBMITTED: "snakemake_executor_plugin_cluster_generic",
    internals.OUTPUTS_MISSING: "snakemake.exceptions",
}
OF_SCHEDULER = ("print_progress", "workflow.dag")
TABLES = (OF_JOB, OF_WORKFLOW, OF_EXECUTOR, OF_FILE, OF_SCHEDULER)
FRAMES = [value for value in vars(internals).values() if isinstance(value, internals.Frame)]

SNAKEFILE = """
rule all:
    input: "c.txt", "count.txt", "script.txt"

rule a:
    output: "a.txt"
    params: "first", x=1
    log: "a.log"
    benchmark: "a.tsv"
    shell: "echo a > {output}"

rule b:
    input: "a.txt"
    output: temp("b.txt")
    retries: 1
    shell: "echo try >> tries; test $(wc -l < tries) = 2 && cp {input} {output}"

rule c:
    input: "b.txt"
    output: "c.txt"
    shell: "cp {input} {output}"

rule stream:
    output: pipe("stream.txt")
    shell: "seq 3 > {output}"

rule count:
    input: "stream.txt"
    output: "count.txt"
    shell: "wc -l < {input} > {output}"

rule by_script:
    output: "script.txt"
    script: "script.py"

rule wrong:
    output: "wrong.txt"
    shell: "exit 3"
"""
# In one process: a run as it is, in which every internal is looked up and hidden in turn; then runs
# with all frames hidden, and with all attributes hidden.
PROBE = """
import json, logging, os, shutil, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import DAGSettings, ExecutionSettings, OutputSettings, ResourceSettings
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_logger_plugin_lamin import LogHandler, LogHandlerSettings, internals, live_job, live_workflow

OF_JOB, OF_WORKFLOW, OF_EXECUTOR, OF_FILE, OF_SCHEDULER = json.loads(sys.argv[1])
value_of, in_frame = internals.value_of, internals.in_frame
problems = {}

def problem(name, what):
    problems.setdefault(name, what)

def look(name, owner, path):
    try:
        value_of(owner, path)
    except Exception as error:
        problem(name, f"{type(error).__name__}: {error}")

def hiding(*hidden):
    def value(owner, path):
        if path in hidden:
            raise AttributeError(path)
        return value_of(owner, path)
    return value

def files_and_rule(record, live):
    rule = live_job.rule_of(record, live)
    job = live_job.job_of(record, live, rule, "/")
    return rule.name, [f.path for f in job.inputs], [f.path for f in job.outputs]

class Probe(logging.Filter):
    def filter(self, record):
        name = getattr(getattr(record, "event", None), "name", None)
        if name == "WORKFLOW_STARTED":
            live = in_frame(internals.WORKFLOW, internals.WORKFLOW_BEFORE_9_21)
            executor = in_frame(internals.EXECUTOR, internals.EXECUTOR_BEFORE_9_21)
            for path in OF_WORKFLOW:
                look(f"workflow.{path}", live, path)
                internals.value_of = hiding(path)
                assert live_workflow.workflow_of(record, live, None, None).id
                internals.value_of = value_of
            for path in OF_EXECUTOR:
                look(f"executor.{path}", executor, path)
        if name == "JOB_STARTED":
            for path in OF_SCHEDULER:
                look(f"scheduler.{path}", in_frame(internals.SCHEDULER), path)
        if name == "JOB_INFO":
            live = in_frame(internals.LOGGED_JOB)
            for path in OF_JOB:
                look(f"job.{path}", live, path)
            for file in live.output:
                for path in OF_FILE:
                    look(f"file.{path}", file, path)
            if live.rule.name == "c":
                expected = files_and_rule(record, live)
                for path in OF_JOB:
                    internals.value_of = hiding(path)
                    seen = files_and_rule(record, live)
                    internals.value_of = value_of
                    if seen != expected:
                        problem(f"without job.{path}", f"{seen} != {expected}")
        return True

def execute(name, *targets):
    os.environ["LAMIN_SPOOL"] = str(Path(name).absolute())
    for file in ("a.txt", "c.txt", "count.txt", "script.txt", "tries"):
        Path(file).unlink(missing_ok=True)
    shutil.rmtree(".snakemake", ignore_errors=True)
    settings = OutputSettings(log_handler_settings={"lamin": LogHandlerSettings()})
    try:
        with SnakemakeApi(settings) as api:
            workflow = api.workflow(resource_settings=ResourceSettings(cores=2), snakefile=Path("Snakefile"))
            dag = workflow.dag(DAGSettings(forceall=True, targets={"all", "wrong"}))
            dag.execute_workflow(execution_settings=ExecutionSettings(keep_going=True))
    except WorkflowError:
        pass
    for handler in [reference() for reference in logging._handlerList]:
        if isinstance(handler, LogHandler):  # releases before 9.21 close it when the process ends
            handler.close()

probe = Probe()
logging.getLogger("snakemake.logging").addFilter(probe)
execute("whole")
logging.getLogger("snakemake.logging").removeFilter(probe)
import snakemake_logger_plugin_lamin.event_extractor as extractor
import snakemake_logger_plugin_lamin.subprocess_env as env
extractor.in_frame = env.in_frame = internals.in_frame = lambda *frames: None
execute("records")
extractor.in_frame = env.in_frame = internals.in_frame = in_frame
everything = hiding(*OF_JOB, *OF_WORKFLOW, *OF_EXECUTOR, *OF_FILE, *OF_SCHEDULER)
internals.value_of = live_job.value_of = everything
execute("hidden")
Path("problems.json").write_text(json.dumps(problems))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the probe ran."""
    folder = tmp_path_factory.mktemp("internals")
    write(folder, SNAKEFILE)
    write(folder, 'open(snakemake.output[0], "w").write("script")\n', "script.py")
    process = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(TABLES)],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return folder


@pytest.fixture(scope="module")
def problems(folder: Path) -> dict[str, str]:
    result: dict[str, str] = json.loads((folder / "problems.json").read_text())
    return result


ATTRIBUTES = [
    *(f"job.{path}" for path in OF_JOB),
    *(f"workflow.{path}" for path in OF_WORKFLOW),
    *(f"executor.{path}" for path in OF_EXECUTOR),
    *(f"file.{path}" for path in OF_FILE),
    *(f"scheduler.{path}" for path in OF_SCHEDULER),
]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attribute_of_a_live_object_exists(problems: dict[str, str], name: str) -> None:
    assert name not in problems, problems[name]


@pytest.mark.parametrize("path", OF_JOB)
def test_job_without_an_attribute_still_has_its_rule_and_files(
    problems: dict[str, str], path: str
) -> None:
    name = f"without job.{path}"
    assert name not in problems, problems[name]


def paths_read() -> Iterator[str]:
    """Every path that the plugin's code reads by name."""
    for file in Path(internals.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(ast.Name("read" | "value_of"), [_, ast.Constant(str(path)), *_]):
                    yield path


def test_every_attribute_path_in_the_plugin_is_tested() -> None:
    looked_up = {path for table in TABLES for path in table}
    # Those of rules and params are ends of paths of jobs; `dataset_address` is of our storage plugin.
    ends = {path.rpartition(".")[2] for path in looked_up} | {"dataset_address"}
    assert set(paths_read()) <= looked_up | ends


def codes(module: Any) -> Iterator[CodeType]:
    """The code of every function and method of a module."""
    source = inspect.getsource(module)
    pending = [compile(source, module.__name__, "exec")]
    while pending:
        code = pending.pop()
        yield code
        pending += [constant for constant in code.co_consts if isinstance(constant, CodeType)]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: f"{frame.function}-{frame.variable}")
def test_frame_of_an_internal_function_has_the_variable(frame: internals.Frame) -> None:
    module = importlib.import_module(frame.module)
    variables = [
        code.co_varnames + code.co_cellvars
        for code in codes(module)
        if code.co_name == frame.function
    ]
    assert any(frame.variable in names for names in variables)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentence_is_in_the_source_of_snakemake(sentence: str) -> None:
    assert sentence in inspect.getsource(importlib.import_module(SENTENCES[sentence]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_can_be_imported(name: str) -> None:
    module, _, attribute = name.partition(":")
    assert hasattr(importlib.import_module(module), attribute)


def story(folder: Path, spool: str) -> dict[str, tuple[list[str], set[str], set[str]]]:
    """The kinds of events of each rule, and the files that it read and wrote, sorted."""
    rules: dict[str, tuple[list[str], set[str], set[str]]] = {}
    for line in "".join(
        path.read_text() for path in (folder / spool).glob("*.ndjson")
    ).splitlines():
        event = json.loads(line)
        kinds, inputs, outputs = rules.setdefault(rule(event), ([], set(), set()))
        kinds.append(event["eventType"])
        kinds.sort()
        inputs.update(dataset["name"] for dataset in event["inputs"])
        outputs.update(dataset["name"] for dataset in event["outputs"])
    return rules


@pytest.mark.parametrize("spool", ["records", "hidden"])
def test_workflow_from_records_only_has_all_jobs_files_and_statuses(
    folder: Path, spool: str
) -> None:
    assert story(folder, spool) == story(folder, "whole")
    assert set(story(folder, spool)) == {
        *("", "a", "b", "c", "stream", "count", "by_script", "wrong")
    }
