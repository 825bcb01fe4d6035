"""(l) races between 8 processes on one SQLite instance: same label name, and new versions of one key.

Reports errors and invariants: distinct label names == rows; exactly one latest version of the key.
"""

import collections
import json
import os
import subprocess
import sys
import time

import harness as h

PROCS = 8

WORKER = """
import sys, time, json
from pathlib import Path
from backends import get_backend
b = get_backend({name!r})
ln = b.connect()
w, per, mode, src, gate = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5])
for attempt in range(20):
    try:
        b.save_path(ln, src / f"warm{{w}}.txt", key=f"warm/{{w}}.txt")
        break
    except Exception:
        pass
(gate / f"ready{{mode}}{{w}}").touch()
while not (gate / f"go{{mode}}").exists():
    time.sleep(0.005)
errs, ok = [], 0
t = time.perf_counter()
for i in range(per):
    try:
        if mode == "label":
            ln.ULabel(name=f"shared{{i}}").save()
        else:
            b.save_path(ln, src / f"w{{w}}_{{i}}.txt", key="shared.txt")
        ok += 1
    except Exception as e:
        errs.append(type(e).__name__ + ": " + str(e)[:80])
print("@@" + json.dumps(dict(ok=ok, errs=errs, wall=time.perf_counter() - t)), file=sys.__stderr__)
"""


def run(ctx):
    b = ctx.b
    src, gate, work = ctx.tmp / "src", ctx.tmp / "gate", ctx.tmp / "work"
    src.mkdir()
    gate.mkdir()
    per = h.n(20)
    for w in range(PROCS):
        (src / f"warm{w}.txt").write_text(f"warm {w}")
        for i in range(per):
            (src / f"w{w}_{i}.txt").write_bytes(os.urandom(256).hex().encode())
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
    m = {}
    for mode in ("label", "version"):
        ps = [
            subprocess.Popen(
                [sys.executable, "worker.py", str(w), str(per), mode, str(src), str(gate)],
                cwd=work,
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for w in range(PROCS)
        ]
        t = time.perf_counter()
        while len(list(gate.glob(f"ready{mode}*"))) < PROCS and time.perf_counter() - t < 180:
            time.sleep(0.02)
        (gate / f"go{mode}").touch()
        rs = []
        for p in ps:
            _, err = p.communicate(timeout=400)
            lines = [x for x in err.splitlines() if x.startswith("@@")]
            rs.append(
                json.loads(lines[-1][2:]) if lines else {"ok": 0, "errs": ["crash"], "wall": 0}
            )
        errs = collections.Counter(e for r in rs for e in r["errs"])
        m[mode] = {
            "attempts": PROCS * per,
            "ok": sum(r["ok"] for r in rs),
            "errors": sum(errs.values()),
            "error_kinds": dict(errs.most_common(4)),
            "wall_s": round(max(r["wall"] for r in rs), 3),
        }
    ln = b.connect()
    names = [u.name for u in ln.ULabel.filter(name__startswith="shared")]
    m["label"].update(rows=len(names), distinct=len(set(names)))
    vs = list(ln.Artifact.filter(key="shared.txt"))
    m["version"].update(
        rows=len(vs),
        latest=sum(bool(a.is_latest) for a in vs),
        families=len({a.uid[:16] for a in vs}),
    )
    return m


if __name__ == "__main__":
    h.main(__file__, run)
