"""The demo: one analysis through Nextflow, Snakemake, Prefect and a plain script, and its lineage through all four.

`make demo` runs it. Everything happens in `demo/` (or `DEMO_FOLDER`), with a registry of its own;
the four pipelines are in `airway/` and know nothing of each other. Run it again, and the same
transforms get new runs.

Exit code 0: all four ran. 3: Nextflow could not be had, so a plain script did its part, and the
rest ran. 1: a stage failed, or lineage is missing. (`make` ends with 2 for any of them and names
the code in its last line.)
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

HERE = Path(__file__).resolve().parent
FOLDER = Path(os.environ.get("DEMO_FOLDER") or HERE.parent / "demo").absolute()
DATA = Path("data/airway")
FIGURE = "airway/volcano.png"
ENGINES = {"nextflow", "snakemake", "prefect", "python"}
WITHOUT_NEXTFLOW = 3

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Stage:
    """A command as a user types it, and what it is for."""

    title: str
    command: tuple[str, ...]


def main() -> int:
    """Run all stages, then show what the registry knows."""
    started = time.monotonic()
    console.print(f"The demo works in {FOLDER}; its registry and all that it makes are there.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    if run(("lamin", "init", "--storage", "./data")) != 0:
        return 1
    copy_data()
    before = registry("--all")
    has_nextflow = can_have_nextflow()
    first = nextflow() if has_nextflow else INSTEAD_OF_NEXTFLOW
    for number, stage in enumerate((first, *OTHERS), start=1):
        if not play(number, stage):
            return 1
    show(before, registry("--all"))
    console.print(f"\nThe demo took {time.monotonic() - started:.0f} s.")
    lost = (
        ENGINES
        - {node["engine"] for node in registry(FIGURE)["runs"]}
        - (set() if has_nextflow else {"nextflow"})
    )
    if lost or any((FOLDER / ".lamin" / "spool").glob("*")):
        console.print(
            f"[red]Lineage is missing[/red] ({', '.join(sorted(lost)) or 'some events are in the spool'})."
        )
        return 1
    if not has_nextflow:
        console.print(
            "[red]Nextflow was left out[/red]: there is none on this machine, and none could be fetched."
        )
        return WITHOUT_NEXTFLOW
    return 0


def pipeline(name: str) -> str:
    """An example pipeline, as one names it from the demo's folder."""
    path = HERE / "airway" / name
    return os.path.relpath(path, FOLDER) if FOLDER.parent == HERE.parent else str(path)


def nextflow() -> Stage:
    """From the second time on with `-resume`: cached tasks are runs too, and the work files stay the same."""
    again = ("-resume",) if (FOLDER / ".nextflow").exists() else ()
    command = ("lamin", "nextflow", "run", pipeline("nextflow/main.nf"), *again)
    return Stage(
        "Nextflow names and normalises the counts of eight samples",
        (*command, "--input", str(DATA / "raw"), "--outdir", str(DATA)),
    )


INSTEAD_OF_NEXTFLOW = Stage(
    "No Nextflow to be had: a plain script normalises the counts",
    ("python", pipeline("script/prepare.py")),
)
OTHERS = (
    Stage(
        "Snakemake compares treated with untreated cells, for each of four donors",
        (
            *(
                "snakemake",
                "--snakefile",
                pipeline("snakemake/Snakefile"),
                "--cores",
                "2",
                "--forceall",
            ),
            *("--quiet", "rules", "host"),
            *("--logger-lamin-name", "airway-differences", "--logger", "lamin"),
        ),
    ),
    Stage("Prefect tests each gene over the donors", ("python", pipeline("prefect/flow.py"))),
    Stage("A plain script draws the figure", ("python", pipeline("script/figure.py"))),
)
BY_KEY = 'import lamin_core as ln; print(ln.Artifact.get(key="airway/top_genes.csv").load())'
NEXT = (
    ("what hangs on one raw file", "lamin lineage airway/raw/counts/SRR1039508.tsv.gz --down 20"),
    ("every run, the newest first", "lamin runs"),
    ("a result by its key, wherever its bytes are", f"python -c {shlex.quote(BY_KEY)}"),
)


def environment() -> dict[str, str]:
    """The user's environment, without what would lead the engines or the lineage out of the demo's folder."""
    foreign = (
        "OPENLINEAGE_",
        "LAMIN_",
        "PREFECT_",
        "SNAKEMAKE_",
        "PYTHON",
        "NXF_WORK",
        "NXF_RESUME",
        "NXF_PARAMS_",
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    if (
        shutil.which("nextflow") is None
    ):  # a Nextflow of one's own finds its jars in the home it knows
        variables["NXF_HOME"] = str(FOLDER / ".nextflow-home")
    return (
        variables
        | {
            "PATH": os.pathsep.join(
                [str(Path(sys.executable).parent), variables.get("PATH", os.defpath)]
            ),
            "LAMIN_INSTANCE": str(FOLDER / ".lamin"),
            "LAMIN_PATIENCE": "60",  # each stage looks at what the one before it told, however busy the machine
            "DO_NOT_TRACK": "1",
            # Prefect's server lives as long as the flow. In an empty folder its first start makes a
            # database, which can take longer than the 20 seconds that Prefect allows.
            "PREFECT_HOME": str(FOLDER / ".prefect"),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
        }
    )


def copy_data() -> None:
    """The raw data into the demo's storage; a file that is there keeps its time, so that nothing seems changed."""
    raw = HERE / "airway" / "data"
    for source in sorted(raw.rglob("*.?sv*")):
        target = FOLDER / DATA / "raw" / source.relative_to(raw)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def can_have_nextflow() -> bool:
    """Whether there is a `nextflow`, or a Java runtime and its jars can be fetched: minutes, the first time."""
    return run(("lamin", "nextflow", "-version"), quiet=True) == 0


def play(number: int, stage: Stage) -> bool:
    """Run a stage; say how long it took, and what failed."""
    console.print()
    console.rule(f"{number}. {stage.title}", align="left")
    started = time.monotonic()
    code = run(stage.command)
    took = f"in {time.monotonic() - started:.1f} s"
    if code != 0:
        console.print(
            f"[red]failed with exit code {code}[/red] {took}. The message is above; the command was:"
        )
        console.print(
            f"    cd {shlex.quote(str(FOLDER))} && {shlex.join(stage.command)}", markup=False
        )
        return False
    console.print(f"[green]done[/green] {took}")
    return True


def run(command: tuple[str, ...], *, quiet: bool = False) -> int:
    """Run a command in the demo's folder, in sight of the user; of a quiet one, errors and progress alone."""
    if not quiet:
        console.print(f"$ {shlex.join(command)}", markup=False, style="bold")
        sys.stdout.flush()
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(
        command, cwd=FOLDER, env=environment(), stdin=subprocess.DEVNULL, stdout=output
    ).returncode


def registry(question: str) -> dict[str, Any]:
    """What the demo's registry knows of an artifact, or of `--all`."""
    command = ("lamin", "lineage", question, "--json")
    done = subprocess.run(
        command, cwd=FOLDER, env=environment(), stdout=subprocess.PIPE, check=True
    )
    lineage: dict[str, Any] = json.loads(done.stdout)
    return lineage


def show(before: dict[str, Any], after: dict[str, Any]) -> None:
    """The lineage of the figure, the counts for each engine, what is new, and what to try next."""
    console.print()
    console.rule("The figure, through all engines back to the raw counts", align="left")
    run(("lamin", "lineage", FIGURE))
    console.print()
    console.rule("What the registry holds", align="left")
    run(("lamin", "lineage", "--all"))
    transforms = {node["transform"] for node in after["runs"]} - {
        node["transform"] for node in before["runs"]
    }
    versions = len(after["artifacts"]) - len(before["artifacts"])
    runs = len(after["runs"]) - len(before["runs"])
    console.print(
        f"New this time: {runs} runs, {len(transforms)} transforms, {versions} versions of files."
    )
    console.print(f"The figure: {FOLDER / 'volcano.png'}")
    console.print()
    console.rule("Try next", align="left")
    bin_folder = Path(sys.executable).parent
    console.print(
        f"cd {shlex.quote(str(FOLDER))} && PATH={shlex.quote(str(bin_folder))}:$PATH", markup=False
    )
    for purpose, command in NEXT:
        console.print(f"# {purpose}:\n{command}", markup=False)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
