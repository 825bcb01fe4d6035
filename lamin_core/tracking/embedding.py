"""Python inside a process of R, where `reticulate` embeds it: the script that R runs, its arguments, and its end."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger("lamin")
_FILE = "--file="
LANGUAGES = {".r": "R", ".rmd": "R", ".qmd": "R", ".rmarkdown": "R"}
"""By the suffix of a script in small letters, of what is not Python."""


@dataclass(frozen=True, slots=True)
class RScript:
    """The arguments of `Rscript`."""

    file: str
    arguments: list[str]


def r_script() -> RScript | None:
    """Return the script of R that this process runs; None in a process of Python, and at a prompt of R."""
    return parse_r_command(_process_words()) if is_in_r() else None


@dataclass(frozen=True, slots=True)
class RDocument:
    """An R Markdown or Quarto document that knitr is working on."""

    file: str
    page: Path | None
    """Where `rmarkdown::render` writes it to; None where something else renders it, as Quarto does."""
    params: dict[str, Any]
    """The parameters that its header declares, with the values of this rendering."""


_DOCUMENT = """function() {
  if (!"knitr" %in% loadedNamespaces()) return(NULL)
  input <- knitr::current_input(dir = TRUE)
  if (is.null(input)) return(NULL)
  output <- ""
  params <- list()
  simple <- function(value) {
    if (!is.atomic(value) || is.object(value) || length(value) != 1L) {
      toString(value)
    } else if (is.na(value)) NULL else value
  }
  for (frame in sys.frames()) {
    if (!exists("knit_input", frame, inherits = FALSE)) next
    output <- if (isTRUE(frame$run_pandoc)) frame$output_file else ""
    declared <- names(frame$front_matter$params)
    params <- lapply(get0("params", frame$envir)[declared], simple)
  }
  list(input, output, params, !is.null(knitr::opts_knit$get("quarto.version")))
}"""
"""`run_pandoc`, `output_file`, `front_matter` and `envir` are local variables of `rmarkdown::render`; the file is
relative to the folder of the document.
"""


def r_document() -> RDocument | None:
    """Return the document that this process of R renders; None where it renders none."""
    if not is_in_r():
        return None
    try:
        facts: Any = getattr(_r_of_reticulate(), _DOCUMENT)()
    except Exception as problem:  # another knitr: the code is then that of the process
        logger.debug("R does not say which document it renders: %s", problem)
        return None
    if not facts:
        return None
    file, output, params, is_quarto = facts
    page = Path(file).parent / output if output else None
    if is_quarto:
        file = quarto_source(file, os.environ)
    return RDocument(file, page, dict(params) if isinstance(params, dict) else {})


def quarto_source(file: str, environment: Mapping[str, str]) -> str:
    """Return the document that Quarto renders, where `file` is the copy of it that Quarto passes to knitr.

    The copy has the suffix `.rmarkdown` and exists only meanwhile. Quarto 1.7 and later name the document in
    `QUARTO_DOCUMENT_PATH` (its folder) and `QUARTO_DOCUMENT_FILE`.

    >>> quarto_source("/project/report.rmarkdown", {})
    '/project/report.rmarkdown'
    """
    copy = Path(file)
    name = environment.get("QUARTO_DOCUMENT_FILE", "")
    folder = copy.parent / environment.get("QUARTO_DOCUMENT_PATH", "")
    for document in (folder / name, copy.with_suffix(".qmd"), copy.with_suffix(".Rmd")):
        if copy.suffix == ".rmarkdown" and document.is_file():
            return str(document)
    return file


_WATCH_RENDER = """function(keep) {
  after <- function(...) {
    if (!is.null(knitr::current_input())) return(TRUE)
    keep()
    FALSE
  }
  addTaskCallback(after, name = "lamin report")
  NULL
}"""
"""Rendering goes on after the last chunk, so the page is there once the expression at the top level has ended."""


def watch_render_of_r(keep: Callable[[], object]) -> None:
    """Call `keep` when this process of R has rendered its document."""
    try:
        getattr(_r_of_reticulate(), _WATCH_RENDER)(keep)
    except Exception as problem:  # another reticulate: no page is stored
        logger.debug("the rendering of R is not watched: %s", problem)


def is_in_r() -> bool:
    """Whether R embeds this Python; a Python that was started itself has arguments."""
    return not getattr(sys, "orig_argv", None) and _r_of_reticulate() is not None


def _r_of_reticulate() -> object:
    """The object `r` of reticulate, whose attributes are evaluated as code of R; None outside of R."""
    r = getattr(sys.modules.get("__main__"), "r", None)
    return r if type(r).__name__ == "R" else None


AtEnd = Callable[[int, str], object]

_WATCH_END = """function(at_end) {
  code <- NULL
  handled <- geterrmessage()
  addTaskCallback(function(...) { handled <<- geterrmessage(); TRUE }, name = "lamin")
  for (name in c("quit", "q")) local({
    original <- get(name, envir = baseenv())
    observed <- function(save = "default", status = 0, runLast = TRUE) {
      code <<- as.integer(status)
      on.exit(code <<- NULL)
      original(save, status, runLast)
    }
    unlockBinding(name, baseenv())
    assign(name, observed, envir = baseenv())
    lockBinding(name, baseenv())
  })
  end <- function(...) {
    message <- geterrmessage()
    if (!is.null(code)) at_end(code, "")
    else if (interactive() || (sys.nframe() == 1L && identical(message, handled))) at_end(0L, "")
    else at_end(1L, trimws(message))
  }
  reg.finalizer(globalenv(), end, onexit = TRUE)
  NULL
}"""
"""R keeps the code of `quit()` from everybody, so its calls are observed, as those of `sys.exit` are.

An error that ends a script differs from one that `try` caught: functions are still being called, or no
expression at the top level has succeeded since.
"""


def watch_end_of_r(at_end: AtEnd) -> None:
    """Call `at_end` with the exit code and R's error message, or "", when this process of R ends.

    Not every reticulate ends Python with R (1.28 does not), so `atexit` is not enough. Where it does, this
    comes before: R calls first what was registered last.
    """
    try:
        getattr(_r_of_reticulate(), _WATCH_END)(at_end)
    except Exception as problem:  # another reticulate: the run is noticed as lost instead
        logger.debug("the end of R is not watched: %s", problem)


def parse_r_command(words: list[str]) -> RScript | None:
    """Return the script that this command of R runs.

    >>> parse_r_command(["/usr/lib/R/bin/exec/R", "--no-echo", "--file=fit.R", "--args", "--alpha", "3"])
    RScript(file='fit.R', arguments=['--alpha', '3'])
    """
    end = words.index("--args") if "--args" in words else len(words)
    files = [word.removeprefix(_FILE) for word in words[:end] if word.startswith(_FILE)]
    return RScript(files[0], words[end + 1 :]) if files else None


def _process_words() -> list[str]:
    """The command line of this process, which only Linux shows this way."""
    try:
        text = Path("/proc/self/cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(word) for word in text.removesuffix(b"\0").split(b"\0")]
