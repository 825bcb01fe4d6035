"""What `snakemake --logger lamin` costs beside plain Snakemake and beside snkmt: CPU for each job, memory, delay.

    python benchmarks/snakemake_overhead.py [--jobs 200] [--rounds 3]

Runs of the three are interleaved; the figures are medians. snkmt is measured where it is installed
(`pip install snkmt snakemake-logger-plugin-snkmt`): it is no dependency of this project.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SNAKEFILE = """
rule all:
    input: expand("out/{i}.txt", i=range(%d))

rule job:
    output: "out/{i}.txt"
    shell: "echo {wildcards.i} > {output}"
"""


def measured(jobs: int, loggers: list[str]) -> dict[str, float]:
    """One run in a folder of its own: seconds of CPU of all processes, wall seconds, peak megabytes of the head."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Snakefile").write_text(SNAKEFILE % jobs)
        environment = {**os.environ, "XDG_DATA_HOME": folder, "LAMIN_SPOOL": f"{folder}/spool"}
        if loggers == ["lamin"]:
            lamin = [sys.executable, "-m", "lamin_core", "init", "--storage", "data"]
            subprocess.run(lamin, cwd=folder, check=True, capture_output=True)
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all"]
        command += ["--logger", *loggers] if loggers else []
        start = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert process.stderr is not None
        message = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        assert status == 0, message[-2000:]
        finished = max(path.stat().st_mtime for path in Path(folder, "out").iterdir())
        return {
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "wall_s": wall,
            "peak_mb": usage.ru_maxrss / 1024,
            "end_delay_s": time.time() - finished,
        }


def main() -> None:
    """Print the medians as JSON, with the load of the machine before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    variants: dict[str, list[str]] = {"plain": [], "lamin": ["lamin"]}
    if importlib.util.find_spec("snakemake_logger_plugin_snkmt") is not None:
        variants["snkmt"] = ["snkmt"]
    load = os.getloadavg()[0]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    for _ in range(options.rounds):
        for name, loggers in variants.items():
            runs[name].append(measured(options.jobs, loggers))
    medians = {
        name: {key: round(statistics.median(run[key] for run in rows), 3) for key in rows[0]}
        for name, rows in runs.items()
    }
    for row in medians.values():
        extra = row["cpu_s"] - medians["plain"]["cpu_s"]
        row["ms_per_job_over_plain"] = round(1000 * extra / options.jobs, 2)
    print(
        json.dumps({"jobs": options.jobs, "load": [load, os.getloadavg()[0]], **medians}, indent=1)
    )


if __name__ == "__main__":
    main()
