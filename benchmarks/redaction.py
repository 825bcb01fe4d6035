"""Measures how long masking secrets takes on adversarial texts, and prints milliseconds as JSON.

    python benchmarks/redaction.py                  # 10,000, 100,000 and 1,000,000 characters of each text
    python benchmarks/redaction.py 10000 50000      # these sizes

Each text is one part again and again, chosen to make some pattern begin, and fail, at as many
characters as it can. `growth` is the time per character of the largest text over that of the
smallest: about 1 where time is linear, 100 where it is quadratic. Below that, what masking costs
for a script of 10,000 characters and for a typical event.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from lamin_core.runtime.redaction import redact_text
from openlineage.lamin.emit.redaction import redact_event

ADVERSARIAL = {
    "dashes": "-",
    "options": "--a",
    "dots": "a.",
    "blanks": " ",
    "underscores": "_",
    "one word": "a",
    "TOKEN": "TOKEN",
    "secret": "secret",
    "eyJ-": "eyJ-",
    "JWT without end": "eyJaaaaaaaa.",
    "hash": "0123456789abcdef",
    "base64url": "eyJhbGciOiJIUzI1NiJ9_",
    "pairs": "a=",
    "query": "&a=b",
    "passwords": "password=",
    "yaml": "password: ",
    "open quotes": 'password="',
    "escaped quotes": 'password=\\"',
    "escape and quote": "password='\\'",
    "quotes": "'\"",
    "brackets": "[{(",
    "json in json": '\\"password\\": \\"',
    "commas": "password=a,b",
    "many commas": "password=,,,,,",
    "key headers": "-----BEGIN PRIVATE KEY-----",
    "half a header": "-----BEGIN A",
    "annotations": "token: a",
    "urls": "://",
    "users": "https://a:",
    "no scheme": "://a:b",
    "at": "a:bbbb@",
    "words and blanks": "token   ",
    "curl": "curl -u ",
    "mysql": "mysql ",
    "login": "login a ",
    "headers": "authorization: bearer ",
    "cookies": "cookie: a",
    "bearer": "bearer aaaaaaaaa ",
    "basic": "Basic A",
    "signatures": "?sig",
    "elements": "<password>",
    "hooks": "hooks.slack.com/",
    "hf": "hf_",
    "gh": "ghp_",
    "github": "github_pat_",
    "sk": "sk-",
    "oracle": "jdbc:oracle:",
    "openssl": "-pass pass:",
    "line ends": "password:\n",
    "SQL": "password 'a",
    "continued": "--password \\\n",
    "letters with accents": "é=",
}
"""The part that each text repeats."""
SCRIPT = '''"""Count genes."""
import os
import pandas as pd

TOKEN = os.environ["API_TOKEN"]
counts = pd.read_csv("counts.csv", index_col="gene", sep="\\t")
engine = create_engine("postgresql://me@db:5432/genes")
for key, value in counts.items():
    print(f"{key}: {value.sum()}", flush=True)
'''


def seconds(text: str) -> float:
    """The least of three times."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        redact_text(text)
        times.append(time.perf_counter() - start)
    return min(times)


def measure(sizes: list[int]) -> dict[str, Any]:
    """Milliseconds for each text and size, and how they grow."""
    result: dict[str, Any] = {}
    for name, part in ADVERSARIAL.items():
        times = [seconds((part * size)[:size]) for size in sizes]
        growth = (times[-1] / sizes[-1]) / (times[0] / sizes[0])
        result[name] = {
            str(size): round(1000 * took, 2) for size, took in zip(sizes, times, strict=True)
        }
        result[name]["growth"] = round(growth, 1)
    return result


def typical() -> dict[str, float]:
    """Milliseconds for a script of 10,000 characters, and for an event with 20 datasets; the second event is known."""
    script = (SCRIPT * 100)[:10_000]
    event = _event(script)
    start = time.perf_counter()
    redact_event(event)
    first = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(100):
        redact_event(_event("code"))
    again = (time.perf_counter() - start) / 100
    measured = {"script of 10,000": seconds(script), "event with it": first, "event without": again}
    return {name: round(1000 * took, 3) for name, took in measured.items()}


def _event(source: str) -> dict[str, Any]:
    def facet(name: str) -> dict[str, str]:
        return {
            "_producer": "urn:p",
            "_schemaURL": f"https://openlineage.io/spec/facets/1-0-0/{name}.json",
        }

    datasets = [
        {
            "namespace": "file",
            "name": f"/data/{number}.csv",
            "facets": {"lamin_artifact": facet("A") | {"hash": "ab" * 32}},
        }
        for number in range(20)
    ]
    run = {
        "lamin_run": facet("R")
        | {"params": {f"p{number}": number for number in range(10)}, "name": "map"}
    }
    job = {"sourceCode": facet("S") | {"sourceCode": source, "language": "python"}}
    return {
        "eventType": "COMPLETE",
        "run": {"runId": "r", "facets": run},
        "job": {"namespace": "n", "name": "j", "facets": job},
        "inputs": datasets[:10],
        "outputs": datasets[10:],
    }


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[1:]] or [10_000, 100_000, 1_000_000]
    print(json.dumps({"adversarial": measure(sizes), "typical": typical()}, indent=1))
