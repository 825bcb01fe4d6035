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
from lamin_core.tracking.embedding import parse_r_command


@cache
def _has(package: str) -> bool:
    command = ["Rscript", "-e", f"quit(status = !requireNamespace('{package}', quietly = TRUE))"]
    return shutil.which("Rscript") is not None and not subprocess.run(command).returncode


SCRIPT = """ln <- reticulate::import("lamin_core")

run <- ln$track(params = list(threshold = 2.5))
raw <- ln$Artifact$get(key = "raw.csv")$load()
stopifnot(nrow(raw) == 1, raw$count == 5)
writeLines("8.5", "fit.txt")
fit <- ln$Artifact("fit.txt", key = "fit.txt")$save()
fit$ulabels$add(ln$ULabel(name = "good")$save())
data <- data.frame(n = 1:2)
table <- ln$Artifact$from_df(data, key = "t.parquet")$save()
run <- ln$finish()
cat(ln$Artifact$get(ulabels__name = "good")$key)
"""


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
    assert [artifact.key for artifact in run.output_artifacts.all()] == ["fit.txt", "t.parquet"]
    assert list(ln.Artifact.get(key="t.parquet").load()["n"]) == [1, 2]


DOCUMENT = """---
title: Counts
output: html_document
---

```{r}
ln <- reticulate::import("lamin_core")
run <- ln$track(params = list(threshold = 2.5))
raw <- ln$Artifact$get(key = "raw.csv")$load()
cat("rows:", nrow(raw))
```
"""


@pytest.mark.skipif(
    not _has("reticulate") or not _has("rmarkdown") or shutil.which("pandoc") is None,
    reason="R with reticulate and rmarkdown is not installed",
)
@pytest.mark.parametrize("is_finished", [True, False])
def test_rendered_document_is_the_report_of_its_run(
    embedded: Instance, tmp_path: Path, is_finished: bool
) -> None:
    Path("raw.csv").write_text("gene,count\nCD8A,5\n")
    raw = ln.Artifact("raw.csv", key="raw.csv").save()
    Path("notes").mkdir()
    source = DOCUMENT + ("\n```{r}\nrun <- ln$finish()\n```\n" if is_finished else "")
    Path("notes/counts.Rmd").write_text(source)
    done = subprocess.run(
        ["Rscript", "-e", 'rmarkdown::render("notes/counts.Rmd", quiet = TRUE)'],
        capture_output=True,
        text=True,
        env=os.environ | {"RETICULATE_PYTHON": sys.executable},
    )
    assert done.returncode == 0, done.stderr
    run = ln.Run.get(transform__key="counts.Rmd")
    assert (run.status, run.params) == ("completed", {"threshold": 2.5})
    assert (run.transform.kind, run.transform.language) == ("notebook", "R")
    assert run.transform.source_code == source
    assert list(run.input_artifacts.all()) == [raw]
    assert run.report is not None
    assert (run.report.suffix, run.report.kind) == (".html", "report")
    assert "## rows: 1" in run.report.cache().read_text()
    assert list(run.output_artifacts.all()) == []


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
