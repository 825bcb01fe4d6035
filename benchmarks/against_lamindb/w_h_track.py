"""(h) track()+finish() of an empty script; decorated step per call (100 calls)."""

import statistics as st
import subprocess
import sys
import time

import harness as h

SCRIPT = """
import time as _t, sys as _y, json as _j
_t0 = _t.perf_counter()
{prelude}
_t1 = _t.perf_counter()
ln.track()
_t2 = _t.perf_counter()
ln.finish()
_t3 = _t.perf_counter()
print("@@" + _j.dumps([_t1-_t0, _t2-_t1, _t3-_t2]), file=_y.__stderr__)
"""

STEPS = """
import time as _t, sys as _y, json as _j, harness as h
h.install_sql_hook()
{prelude}
ln.track()
@ln.step()
def f(i: int) -> int:
    return i
xs = []
for i in range({n}):
    t = _t.perf_counter(); f(i); xs.append(_t.perf_counter() - t)
with h.count_sql() as c:
    f(-1)
ln.finish()
print("@@" + _j.dumps(dict(h.summarize_ms(xs), sql=c.summary())), file=_y.__stderr__)
"""


def _run(code, cwd, env, name):
    import json

    p = cwd / name
    p.write_text(code)
    t = time.perf_counter()
    r = subprocess.run([sys.executable, str(p)], cwd=cwd, env=env, capture_output=True, text=True)
    wall = time.perf_counter() - t
    lines = [x for x in r.stderr.splitlines() if x.startswith("@@")]
    if not lines:
        raise RuntimeError(r.stderr[-800:])
    return wall, json.loads(lines[-1][2:])


def run(ctx):
    b, env = ctx.b, ctx.env()
    work = ctx.tmp / "work"
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
    code = SCRIPT.format(prelude=b.script_prelude())
    m = {}
    _, first = _run(code, work, env, "empty.py")
    m["first_run_track_ms"], m["first_run_finish_ms"] = h.ms(first[1]), h.ms(first[2])
    rows = [_run(code, work, env, "empty.py") for _ in range(5)]
    m["script_wall_ms"] = h.ms(st.median(w for w, _ in rows))
    for j, k in enumerate(("import_ms", "track_ms", "finish_ms")):
        m[k] = h.ms(st.median(x[j] for _, x in rows))
    _wall, steps = _run(STEPS.format(prelude=b.script_prelude(), n=h.n(100)), work, env, "steps.py")
    m["step_call"] = steps
    return m


if __name__ == "__main__":
    h.main(__file__, run)
