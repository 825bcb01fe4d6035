"""(j) 8 processes x 50 artifacts into one SQLite instance: wall, errors, lost records."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import harness as h

PROCS, PER = 8, 50

WORKER = """
import sys, time, json, os
from pathlib import Path
from backends import get_backend
b = get_backend({name!r})
ln = b.connect()
w, per, src, gate = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
run = None
errs, uids, lat = [], [], []
# warm-up outside the measured window: lazy imports, run record, environment snapshot
warm_errs = []
for fn in (lambda: b.track_pipeline(ln, key=f"worker{{w}}"), lambda: b.save_path(ln, src / f"warm{{w}}.txt", key=f"warm/{{w}}.txt")):
    for attempt in range(20):
        try:
            fn()
            break
        except Exception as e:
            warm_errs.append(type(e).__name__ + ": " + str(e)[:80])
(gate / f"ready{{w}}").touch()
while not (gate / "go").exists():
    time.sleep(0.005)
t00 = time.perf_counter()
for i in range(per):
    p = src / f"w{{w}}_{{i:03d}}.txt"
    t = time.perf_counter()
    try:
        a = b.save_path(ln, p, key=f"conc/{{p.name}}")
        uids.append(a.uid)
    except Exception as e:
        errs.append(type(e).__name__ + ": " + str(e)[:80])
    lat.append(time.perf_counter() - t)
print("@@" + json.dumps(dict(uids=uids, errs=errs, warm_errs=warm_errs, lat=lat, wall=time.perf_counter() - t00)), file=sys.__stderr__)
"""


def run(ctx):
    b = ctx.b
    per = h.n(PER)
    src, gate, work = ctx.tmp / "src", ctx.tmp / "gate", ctx.tmp / "work"
    src.mkdir()
    gate.mkdir()
    for w in range(PROCS):
        (src / f"warm{w}.txt").write_text(f"warm {w}")
        for i in range(per):
            (src / f"w{w}_{i:03d}.txt").write_bytes(os.urandom(512).hex().encode())
    env = ctx.env()
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
    (work / "worker.py").write_text(WORKER.format(name=b.name))
    ps = [
        subprocess.Popen(
            [sys.executable, "worker.py", str(w), str(per), str(src), str(gate)],
            cwd=work,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for w in range(PROCS)
    ]
    t = time.perf_counter()
    while len(list(gate.glob("ready*"))) < PROCS and time.perf_counter() - t < 180:
        if any(p.poll() not in (None, 0) for p in ps):
            break
        time.sleep(0.02)
    m = {"procs": PROCS, "per_proc": per, "startup_s": round(time.perf_counter() - t, 2)}
    (gate / "go").touch()
    t = time.perf_counter()
    res, crashed = [], 0
    for p in ps:
        _, err = p.communicate(timeout=400)
        lines = [x for x in err.splitlines() if x.startswith("@@")]
        if lines:
            res.append(json.loads(lines[-1][2:]))
        else:
            crashed += 1
            m.setdefault("crash_tail", err[-300:])
    m["wall_s"] = round(time.perf_counter() - t, 3)
    m["wall_incl_exit_s"] = m["wall_s"]
    if res:
        m["wall_s"] = round(max(r["wall"] for r in res), 3)  # barrier to last save
    m["crashed_workers"] = crashed
    errs = [e for r in res for e in r["errs"]]
    m["errors"] = len(errs)
    m["warmup_errors"] = sum(len(r["warm_errs"]) for r in res)
    kinds = {}
    for e in errs:
        kinds[e] = kinds.get(e, 0) + 1
    m["error_kinds"] = dict(sorted(kinds.items(), key=lambda kv: -kv[1])[:6])
    lat = [x for r in res for x in r["lat"]]
    if lat:
        m["latency"] = h.summarize_ms(lat)
    uids = {u for r in res for u in r["uids"]}
    m["reported_saved"] = len(uids)
    ln = b.connect()
    solo = []
    for i in range(per):
        p = src / f"solo{i}.txt"
        p.write_bytes(os.urandom(512).hex().encode())
        t = time.perf_counter()
        b.save_path(ln, p, key=f"solo/{p.name}")
        solo.append(time.perf_counter() - t)
    m["solo_latency"] = h.summarize_ms(solo[1:] or solo)
    artifacts = {a.uid: a for a in ln.Artifact.filter(key__startswith="conc/")}
    m["in_db"] = len(artifacts)
    m["lost_reported"] = len(uids - set(artifacts))
    m["unreported_rows"] = len(set(artifacts) - uids)
    m["db_rows_without_file"] = sum(not Path(str(a.path)).exists() for a in artifacts.values())
    m["artifacts_per_s"] = round(len(artifacts) / m["wall_s"], 1)
    return m


if __name__ == "__main__":
    h.main(__file__, run)
