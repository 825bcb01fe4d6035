"""The code of a live rule: the text of its directive, or the file that contains it."""

from __future__ import annotations

import os
from typing import Any

from lamin_snakemake import facts
from snakemake_logger_plugin_lamin.internals import quietly, read


def code_of(live: Any) -> facts.Code:
    """The code of this job's rule; of kind `none` where the rule has none, or hides it."""
    if read(live, "rule.norun"):
        return facts.Code("none")
    shell = read(live, "rule.shellcmd")
    if shell is not None:
        return facts.Code("shell", str(shell))
    script, notebook = read(live, "rule.script"), read(live, "rule.notebook")
    if script is not None:
        return facts.Code("script", path=_script_path(live, script))
    if notebook is not None:
        return facts.Code("notebook", path=_script_path(live, notebook))
    return _other_code(live)


def _other_code(live: Any) -> facts.Code:
    wrapper = read(live, "rule.wrapper")
    if wrapper is not None:
        path = quietly(lambda: _local_wrapper(live), None)
        return facts.Code("wrapper", f"wrapper: {wrapper}", path)
    workflow = read(live, "rule.cwl")
    if workflow is not None:
        return facts.Code("cwl", f"cwl: {workflow}")
    template_engine = read(live, "rule.template_engine")
    if template_engine is not None:
        return facts.Code("template_engine", f"template_engine: {template_engine}")
    return facts.Code("run", read(live, "rule.run_func_src"))


def _script_path(live: Any, script: Any) -> str:
    return quietly(lambda: _resolved(live, script), str(script))


def _resolved(live: Any, script: Any) -> str:
    """The path of a rule's script, which can contain wildcards and is relative to the Snakefile."""
    from snakemake.sourcecache import SourceFile, infer_source_file
    from snakemake.utils import format as snakemake_format

    if isinstance(script, SourceFile):
        path: Any = script
        if "{" in str(script):
            path = script.format(wildcards=live.wildcards, params=live.params)
    else:
        text = os.fspath(script)
        if "{" in text:
            text = snakemake_format(text, wildcards=live.wildcards, params=live.params)
        path = infer_source_file(text)
    base = live.rule.basedir
    folder = base if isinstance(base, SourceFile) else infer_source_file(base)
    source_file = infer_source_file(path, folder)
    where = str(source_file.get_path_or_uri(secret_free=True))
    return where if "://" in where else os.path.abspath(where)


def _local_wrapper(live: Any) -> str | None:
    """The script of a wrapper on this machine; other wrappers are identified by their name, which has a version."""
    from snakemake.wrapper import EXTENSIONS, get_path

    prefix = read(live, "dag.workflow.workflow_settings.wrapper_prefix")
    source_file = get_path(live.rule.wrapper, prefix=prefix)
    where = str(source_file.get_path_or_uri(secret_free=True))
    scripts = [where, *(os.path.join(where, f"wrapper{suffix}") for suffix in EXTENSIONS)]
    return next((os.path.abspath(script) for script in scripts if os.path.isfile(script)), None)
