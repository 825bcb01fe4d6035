"""(a) cold import and import+connect(+first query); fresh interpreter each, 7 runs, median."""

import statistics as st
import subprocess
import sys
import time

import harness as h


def _spawn(code, cwd, env, runs=7):
    xs = []
    for _i in range(runs + 1):
        t = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", code], cwd=cwd, env=env, check=True, capture_output=True
        )
        xs.append(time.perf_counter() - t)
    return h.ms(st.median(xs[1:]))


def run(ctx):
    b, env = ctx.b, ctx.env()
    bare = ctx.tmp / "bare"
    bare.mkdir()
    work = ctx.tmp / "work"
    m = {"python_pass_ms": _spawn("pass", bare, env)}
    m["import_no_instance_ms"] = _spawn(b.import_stmt(), bare, env)
    subprocess.run(
        [
            sys.executable,
            "-c",
            f"from backends import get_backend as g; g('{b.name}').init('./st')",
        ],
        cwd=work,
        env=env,
        check=True,
        capture_output=True,
    )
    m["import_with_instance_ms"] = _spawn(b.import_stmt(), work, env)
    m["import_connect_query_ms"] = _spawn(b.connect_stmt(), work, env)
    code = (
        b.connect_stmt()
        + "; import sys,resource; print(len(sys.modules), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024, file=sys.stderr)"
    )
    r = subprocess.run(
        [sys.executable, "-c", code], cwd=work, env=env, check=True, capture_output=True, text=True
    )
    mods, rss = r.stderr.strip().splitlines()[-1].split()
    m["modules_loaded"], m["rss_mb_after_query"] = int(mods), int(rss)
    # heavy third-party modules pulled in by the import
    code = (
        b.connect_stmt()
        + "; import sys; print([x for x in ('pandas','pyarrow','numpy','anndata','django','sqlalchemy','fsspec','s3fs','boto3','supabase','httpx','pydantic','graphviz','zarr','scipy') if x in sys.modules], file=sys.stderr)"
    )
    r = subprocess.run(
        [sys.executable, "-c", code], cwd=work, env=env, check=True, capture_output=True, text=True
    )
    m["heavy_modules"] = r.stderr.strip().splitlines()[-1]
    return m


if __name__ == "__main__":
    h.main(__file__, run)
