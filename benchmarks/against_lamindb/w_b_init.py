"""(b) instance init: whole CLI process, and in-process call (one per fresh process)."""

import statistics as st
import subprocess
import sys
import time

import harness as h


def run(ctx):
    b, env, m = ctx.b, ctx.env(), {}
    cli, proc = [], []
    for i in range(7):
        d = ctx.tmp / f"cli{i}"
        d.mkdir()
        t = time.perf_counter()
        # distinct storage names: LaminDB instances are keyed by owner/basename(storage)
        subprocess.run(b.cli_init(f"./cli-st{i}"), cwd=d, env=env, check=True, capture_output=True)
        cli.append(time.perf_counter() - t)
        d = ctx.tmp / f"py{i}"
        d.mkdir()
        code = (
            f"from backends import get_backend as g; import time,sys; b=g('{b.name}'); "
            "t=time.perf_counter(); b.init('./py-st{i}'); print(time.perf_counter()-t, file=sys.stderr)"
        )
        r = subprocess.run(
            [sys.executable, "-c", code], cwd=d, env=env, check=True, capture_output=True, text=True
        )
        proc.append(float(r.stderr.strip().splitlines()[-1]))
    m["cli_init_ms"] = h.ms(st.median(cli))
    m["api_init_incl_import_ms"] = h.ms(st.median(proc))
    with h.count_sql() as c:
        b.init("./sql-st")
    m["init_sql"] = c.summary()
    # same storage basename in another directory: a second instance, or the first one again?
    d1, d2 = ctx.tmp / "one", ctx.tmp / "two"
    for d in (d1, d2):
        d.mkdir()
        subprocess.run(b.cli_init("./same"), cwd=d, env=env, check=True, capture_output=True)
    m["same_basename_gets_own_db"] = bool(list(d2.rglob("*.db")))
    dbs = list((ctx.tmp / "work").rglob("*.db"))
    m["db_bytes"] = sum(p.stat().st_size for p in dbs)
    return m


if __name__ == "__main__":
    h.main(__file__, run)
