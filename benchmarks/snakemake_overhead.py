"""What `snakemake --logger lamin` costs beside plain Snakemake and beside snkmt: CPU for each job, memory, delay.

    python benchmarks/snakemake_overhead.py [--jobs 200] [--rounds 3]
    python benchmarks/snakemake_overhead.py --jobs 5000 --rounds 1

Runs of all variants are interleaved; the figures are medians. `lamin` takes the events into a
registry; `spool` has no registry, so that they wait in the spool: the difference between the two is
what the registry costs. snkmt is measured where it is installed
(`pip install snkmt snakemake-logger-plugin-snkmt`): it is no dependency of this project.

It also looks whether the registry has every job with its file right after the end, and prints what
Snakemake needs to import each plugin.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

SNAKEFILE = """
rule all:
    input: expand("out/{i}.txt", i=range(%d))

rule job:
    output: "out/{i}.txt"
    shell: "echo {wildcards.i} > {output}"
"""
COUNTS = {
    "completed_jobs": """
        SELECT count(*) FROM run WHERE status = 'completed' AND parent_id IS NOT NULL""",
    "completed_workflows": """
        SELECT count(*) FROM run WHERE status = 'completed' AND parent_id IS NULL""",
    "hashed_outputs": """
        SELECT count(*) FROM run_artifact WHERE direction = 'output' AND content_id IS NOT NULL""",
}
PLUGINS = (
    "snakemake_logger_plugin_lamin",
    "snakemake_report_plugin_lamin",
    "snakemake_storage_plugin_lamin",
)
FOREIGN = "snakemake_logger_plugin_snkmt"
Figures = dict[str, float]


def measured(jobs: int, variant: str) -> Figures:
    """One run in a folder of its own: seconds of CPU of all processes, wall seconds, peak megabytes of the head."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Snakefile").write_text(SNAKEFILE % jobs)
        homes = ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
        environment = {**os.environ, **dict.fromkeys(homes, f"{folder}/home")}
        if variant == "lamin":
            lamin = [sys.executable, "-m", "lamin_core", "init", "--storage", "data"]
            subprocess.run(lamin, cwd=folder, env=environment, check=True, capture_output=True)
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all"]
        if variant != "plain":
            command += ["--logger", "snkmt" if variant == "snkmt" else "lamin"]
        figures = _run(command, folder, environment)
        return figures | (_recorded(folder) if variant == "lamin" else {})


def _run(command: list[str], folder: str, environment: dict[str, str]) -> Figures:
    start = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    message = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    wall, now = time.monotonic() - start, time.time()
    assert status == 0, message[-2000:]
    return {
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "wall_s": wall,
        "peak_mb": usage.ru_maxrss / 1024,
        "end_delay_s": now - max(path.stat().st_mtime for path in Path(folder, "out").iterdir()),
    }


def _recorded(folder: str) -> Figures:
    """What the registry has right after the end, and how many events still wait."""
    with closing(sqlite3.connect(f"{folder}/.lamin/lamin.db")) as connection:
        counts = {name: connection.execute(query).fetchone()[0] for name, query in COUNTS.items()}
    waiting = 0
    for segment in Path(folder).rglob("spool/*.ndjson"):
        waiting += len(segment.read_bytes().splitlines())
    return {**counts, "waiting_events": waiting}


def import_time(plugin: str) -> float:
    """Milliseconds of CPU to import this plugin, with all that it brings, in a process that has imported Snakemake.

    Not `python -X importtime`: its clock goes on while other processes have the CPU.
    """
    code = (
        "import snakemake.cli, snakemake.api, time; start = time.process_time(); "
        f"import {plugin}; print(time.process_time() - start)"
    )
    command = [sys.executable, "-c", code]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return 1000 * float(report)


def over_plain(medians: dict[str, Figures], jobs: int) -> None:
    """Add what each variant costs over plain Snakemake."""
    plain = medians["plain"]
    for row in medians.values():
        row["ms_per_job_over_plain"] = round(1000 * (row["cpu_s"] - plain["cpu_s"]) / jobs, 2)
        row["peak_mb_over_plain"] = round(row["peak_mb"] - plain["peak_mb"], 1)
        row["end_delay_s_over_plain"] = round(row["end_delay_s"] - plain["end_delay_s"], 2)


def main() -> None:
    """Print the medians as JSON, with the load of the machine before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    has_snkmt = importlib.util.find_spec(FOREIGN) is not None
    variants = ["plain", "lamin", "spool", *(["snkmt"] if has_snkmt else [])]
    plugins = [*PLUGINS, *([FOREIGN] if has_snkmt else [])]
    load = os.getloadavg()[0]
    runs: dict[str, list[Figures]] = {variant: [] for variant in variants}
    imports: dict[str, list[float]] = {plugin: [] for plugin in plugins}
    for _ in range(options.rounds):
        for variant in variants:
            runs[variant].append(measured(options.jobs, variant))
        for plugin in plugins:
            imports[plugin].append(import_time(plugin))
    medians = {
        name: {key: round(statistics.median(run[key] for run in rows), 3) for key in rows[0]}
        for name, rows in runs.items()
    }
    over_plain(medians, options.jobs)
    result = {
        "jobs": options.jobs,
        "rounds": options.rounds,
        "load": [round(load, 2), round(os.getloadavg()[0], 2)],
        **medians,
        "import_cpu_ms": {
            plugin: round(statistics.median(times), 2) for plugin, times in imports.items()
        },
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
