"""Shared machinery: fresh instance per process, timers, SQL trace, one JSON line out.

Every workload file defines ``run(ctx) -> dict`` and ends with ``harness.main(__file__, run)``.
A workload process owns a temporary directory (``ctx.tmp``) with a fresh instance.
SQL statements are counted by wrapping ``sqlite3.connect`` (works for Django and
SQLAlchemy alike); the trace callback is installed only while counting, so timings
are taken without it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import sqlite3
import statistics as st
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

BACKEND = os.environ.get("BENCH_BACKEND", "lamindb")
SCALE = float(os.environ.get("BENCH_SCALE", "1"))  # < 1 for smoke runs
BASE = os.environ.get("BENCH_TMP")  # parent of temp dirs (default: system temp)


def n(full: int, floor: int = 2) -> int:
    """Scale a size by BENCH_SCALE."""
    return max(floor, int(full * SCALE))


# ---------------------------------------------------------------- SQL tracing
_conns: list = []
_log: list | None = None


def _cb(stmt: str) -> None:
    if _log is not None:
        _log.append(stmt)


def install_sql_hook() -> None:
    real = sqlite3.dbapi2.connect

    def connect(*a, **k):
        c = real(*a, **k)
        _conns.append(c)
        if _log is not None:
            c.set_trace_callback(_cb)
        return c

    sqlite3.dbapi2.connect = sqlite3.connect = connect


_KIND = re.compile(r"^\s*(?:--\s*)?([A-Za-z]+)")


class SqlCount:
    def __init__(self):
        self.statements: list[str] = []

    def summary(self) -> dict:
        kinds = Counter()
        for s in self.statements:
            m = _KIND.match(s)
            kinds[m.group(1).upper() if m else "?"] += 1
        tx = {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA"}
        out = {"queries": sum(v for k, v in kinds.items() if k not in tx)}
        writes = sum(kinds[k] for k in ("INSERT", "UPDATE", "DELETE", "REPLACE"))
        # an autocommit write (outside BEGIN..COMMIT) is a commit, too
        commits, depth = 0, 0
        for s in self.statements:
            k = (_KIND.match(s) or [None, "?"])[1].upper()
            if k == "BEGIN":
                depth = 1
            elif k in ("COMMIT", "ROLLBACK"):
                depth, commits = 0, commits + (k == "COMMIT")
            elif k in ("INSERT", "UPDATE", "DELETE", "REPLACE") and depth == 0:
                commits += 1
        out.update(writes=writes, commits=commits, by_kind=dict(kinds))
        return out


@contextlib.contextmanager
def count_sql():
    global _log
    c = SqlCount()
    _log = c.statements
    for conn in _conns:
        with contextlib.suppress(sqlite3.ProgrammingError):
            conn.set_trace_callback(_cb)
    try:
        yield c
    finally:
        _log = None
        for conn in _conns:
            with contextlib.suppress(sqlite3.ProgrammingError):
                conn.set_trace_callback(None)


# ------------------------------------------------------------------- timing
@contextlib.contextmanager
def timer():
    t = [time.perf_counter(), None]
    try:
        yield t
    finally:
        t[1] = time.perf_counter() - t[0]


def timeit(fn, repeats: int = 7, warmup: int = 1) -> float:
    """Median seconds of fn()."""
    for _ in range(warmup):
        fn()
    out = []
    for _ in range(repeats):
        t = time.perf_counter()
        fn()
        out.append(time.perf_counter() - t)
    return st.median(out)


def ms(x: float) -> float:
    return round(x * 1e3, 3)


def summarize_ms(xs: list[float]) -> dict:
    xs = sorted(xs)
    return {
        "median_ms": ms(st.median(xs)),
        "p95_ms": ms(xs[min(len(xs) - 1, int(0.95 * len(xs)))]),
        "max_ms": ms(xs[-1]),
        "total_s": round(sum(xs), 4),
        "n": len(xs),
    }


def peak_rss_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


# ------------------------------------------------------------------ context
class Ctx:
    def __init__(self, tmp: Path, backend):
        self.tmp, self.b = tmp, backend
        self.repeats = int(os.environ.get("BENCH_INNER_REPEATS", "7"))

    def env(self) -> dict:
        return isolated_env(self.tmp)


def isolated_env(tmp: Path) -> dict:
    from backends import get_backend

    e = dict(os.environ)
    e.update(HOME=str(tmp / "home"), **get_backend(BACKEND).env(tmp))
    e["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parent)] + ([e["PYTHONPATH"]] if e.get("PYTHONPATH") else [])
    )
    return e


def main(file: str, run) -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    from backends import get_backend

    tmp = Path(tempfile.mkdtemp(prefix="bench-", dir=BASE))
    (tmp / "home").mkdir()
    (tmp / "work").mkdir()
    out: dict = {"workload": Path(file).stem, "backend": BACKEND, "scale": SCALE}
    try:
        os.environ.update(isolated_env(tmp))
        os.chdir(tmp / "work")
        install_sql_hook()
        b = get_backend(BACKEND)
        # keep stdout clean: backends log to stdout
        real_stdout = os.dup(1)
        devnull = os.open(
            os.environ.get("BENCH_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND
        )
        os.dup2(devnull, 1)
        try:
            t = time.perf_counter()
            out["metrics"] = run(Ctx(tmp, b))
            out["wall_s"] = round(time.perf_counter() - t, 3)
        finally:
            sys.stdout.flush()
            os.dup2(real_stdout, 1)
        out["peak_rss_mb"] = peak_rss_mb()
    except Exception as e:  # a failure is a result
        import traceback

        out["error"] = f"{type(e).__name__}: {e}"[:500]
        traceback.print_exc(file=sys.stderr)
    finally:
        os.chdir("/")
        shutil.rmtree(tmp, ignore_errors=True)
    print(json.dumps(out), flush=True)
