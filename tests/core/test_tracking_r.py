"""Scripts of R, which use the package through reticulate, in a real R."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.tracking.embedding import parse_r_command, quarto_source


@cache
def _has(package: str) -> bool:
    command = ["Rscript", "-e", f"quit(status = !requireNamespace('{package}', quietly = TRUE))"]
    return shutil.which("Rscript") is not None and not subprocess.run(command).returncode


PAGE = (Path(__file__).parents[2] / "docs" / "r.md").read_text("utf-8")
SCRIPT = PAGE.partition("```r\n")[2].partition("```")[0]
"""The script of the page on R."""


@pytest.mark.skipif(not _has("reticulate"), reason="R with reticulate is not installed")
def test_r_script_tracks_itself(embedded: Instance, tmp_path: Path) -> None:
    Path("raw.csv").write_text("gene,count\nCD8A,5\n")
    raw = ln.Artifact("raw.csv", key="raw.csv").save()
    Path("fit.R").write_text(SCRIPT)
    done = subprocess.run(
        ["Rscript", "fit.R", "--alpha", "3"],
        capture_output=True,
        text=True,
        env=os.environ | {"RETICULATE_PYTHON": sys.executable},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "fit.txt"
    run = ln.Run.get(transform__key="fit.R")
    assert (run.status, run.params) == ("completed", {"threshold": 2.5})
    assert run.details is not None
    assert run.details["arguments"] == "--alpha 3"
    assert (run.transform.kind, run.transform.language) == ("script", "R")
    assert run.transform.source_code == SCRIPT
    assert list(run.input_artifacts.all()) == [raw]
    assert [artifact.key for artifact in run.output_artifacts.all()] == ["fit.txt", "table.parquet"]
    assert list(ln.Artifact.get(key="table.parquet").load()["count"]) == [5]


DOCUMENT = PAGE.partition("````markdown\n")[2].partition("````")[0]
"""The document of the page on R."""
PARAMS = {"alpha": 3, "since": "2026-01-01", "threshold": 2.5}
QUARTO = """---
title: Table
format: html
params:
  sites: [Oslo, Bergen]
---

```{r}
#| label: begin
ln <- reticulate::import("lamin_core")
run <- ln$track()
```
"""
EXECUTE = """
knitr <- rmarkdown::knitr_options(opts_knit = list(quarto.version = 1))
format <- rmarkdown::output_format(knitr, rmarkdown::pandoc_options("html", args = c("--to", "html")))
file.copy("notes/table.qmd", "notes/table.rmarkdown")
rendered <- rmarkdown::render(
  "notes/table.rmarkdown", format, run_pandoc = FALSE, envir = new.env(), quiet = TRUE
)
unlink("notes/table.rmarkdown")
"""
"""What Quarto's `execute.R` does; pandoc comes after R has ended."""
RENDER = 'rmarkdown::render("notes/counts.{suffix}", params = list(alpha = 3L), quiet = TRUE)'


@pytest.mark.skipif(
    not _has("reticulate") or not _has("rmarkdown") or shutil.which("pandoc") is None,
    reason="R with reticulate and rmarkdown is not installed",
)
@pytest.mark.parametrize("suffix", ["Rmd", "qmd"])
def test_rendered_document_is_the_report_of_its_run(
    embedded: Instance, tmp_path: Path, suffix: str
) -> None:
    Path("raw.csv").write_text("gene,count\nCD8A,5\n")
    raw = ln.Artifact("raw.csv", key="raw.csv").save()
    Path("notes").mkdir()
    is_finished = suffix == "qmd"
    source = DOCUMENT + ("\n```{r}\nrun <- ln$finish()\n```\n" if is_finished else "")
    Path(f"notes/counts.{suffix}").write_text(source)
    Path("notes/table.qmd").write_text(QUARTO)
    Path("notes/table.html").write_text("the page of an earlier rendering")
    Path("execute.R").write_text(EXECUTE)
    # The same process renders another document as Quarto does, whose variables are not meant for the first.
    quarto = ["-e", 'source("execute.R")'] if is_finished else []
    done = subprocess.run(
        ["Rscript", "-e", RENDER.format(suffix=suffix), *quarto],
        capture_output=True,
        text=True,
        env=os.environ
        | {"RETICULATE_PYTHON": sys.executable}
        | {"QUARTO_DOCUMENT_PATH": str(Path("notes").absolute())}
        | {"QUARTO_DOCUMENT_FILE": "table.qmd"},
    )
    assert done.returncode == 0, done.stderr
    run = ln.Run.get(transform__key=f"counts.{suffix}")
    assert (run.status, run.params) == ("completed", PARAMS)
    assert (run.transform.kind, run.transform.language) == ("notebook", "R")
    assert run.transform.source_code == source
    assert list(run.input_artifacts.all()) == [raw]
    assert run.report is not None
    assert (run.report.suffix, run.report.kind) == (".html", "report")
    assert "## rows: 1" in run.report.cache().read_text()
    assert list(run.output_artifacts.all()) == []
    if is_finished:
        run = ln.Run.get(transform__key="table.qmd")
        assert (run.status, run.params) == ("completed", {"sites": "Oslo, Bergen"})
        assert (run.transform.kind, run.transform.source_code) == ("notebook", QUARTO)
        assert run.report is None


@pytest.mark.parametrize(
    ("copy", "file", "expected"),
    [
        ("a.rmarkdown", "b.qmd", "b.qmd"),
        ("a.rmarkdown", None, "a.qmd"),
        ("a.rmarkdown", "gone.qmd", "a.qmd"),
        ("a.qmd", "b.qmd", "a.qmd"),
    ],
)
def test_quarto_source_is_the_document_and_not_its_copy(
    tmp_path: Path, copy: str, file: str | None, expected: str
) -> None:
    for name in ("a.qmd", "b.qmd"):
        (tmp_path / name).touch()
    environment = {} if file is None else {"QUARTO_DOCUMENT_FILE": file}
    environment["QUARTO_DOCUMENT_PATH"] = str(tmp_path)
    assert quarto_source(str(tmp_path / copy), environment) == str(tmp_path / expected)


ENDINGS = {
    "caught": ('try(stop("no"), silent = TRUE)', 0, "completed", None),
    "stopped": ('f <- function() stop("too few rows")\nf()', 1, "failed", "too few rows"),
    "top": ('log(-"a")', 1, "failed", "invalid argument to unary operator"),
    "quit": ("quit(status = 3)", 3, "failed", "exit code 3"),
    "quit_early": ('q("no")', 0, "completed", None),
    "signal": ("Sys.sleep(300)", -15, "lost", None),
}
"""How a script of R ends without `ln$finish()`: its last lines, its exit code, and status and error of its run."""


@pytest.mark.skipif(not _has("reticulate"), reason="R with reticulate is not installed")
def test_end_of_the_r_process_ends_the_run(embedded: Instance, tmp_path: Path) -> None:
    processes = {}
    for name, (lines, *_) in ENDINGS.items():
        begin = (
            f'ln <- reticulate::import("lamin_core")\nrun <- ln$track()\ncat("ready\\n")\n{lines}'
        )
        Path(f"{name}.R").write_text(f"{begin}\n")
        processes[name] = subprocess.Popen(
            ["Rscript", f"{name}.R"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"RETICULATE_PYTHON": sys.executable},
        )
    outputs = {}
    for name, process in processes.items():
        if name == "signal":
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.terminate()
        outputs[name] = process.communicate()
    ln.connect().runs.find_lost()
    for name, (_, code, status, error) in ENDINGS.items():
        run = ln.Run.get(transform__key=f"{name}.R")
        assert (processes[name].returncode, run.status) == (code, status), (name, outputs[name])
        assert error is None or error in (run.error or ""), name
    assert outputs["caught"] == ("ready\n", "")


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["R", "--no-echo", "--file=a.R"], "a.R"),
        (["R", "--file=a.R", "--args", "--file=b"], "a.R"),
        (["R", "-e", "1"], None),
        ([], None),
    ],
)
def test_parse_r_command_finds_the_script(words: list[str], file: str | None) -> None:
    script = parse_r_command(words)
    assert (None if script is None else script.file) == file
