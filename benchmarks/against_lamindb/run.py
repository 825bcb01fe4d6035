"""Driver: run workloads in fresh processes, repeat, print medians, write results/<backend>.json.

python run.py --backend lamindb --python PATH/TO/python [--repeats 3] [--scale 1] [w_a w_c ...]
"""

import argparse
import json
import os
import statistics as st
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def merge(xs):
    """Median leaf-wise over a list of equal-shaped JSON values."""
    x0 = xs[0]
    if isinstance(x0, dict):
        keys = [k for k in x0 if all(isinstance(x, dict) and k in x for x in xs)]
        return {k: merge([x[k] for x in xs]) for k in keys}
    if (
        isinstance(x0, (int, float))
        and not isinstance(x0, bool)
        and all(isinstance(x, (int, float)) for x in xs)
    ):
        v = st.median(xs)
        return v if isinstance(v, int) else round(v, 4)
    return x0


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--backend", default="lamindb")
    ap.add_argument("--python", default=sys.executable)
    ap.add_argument("--repeats", type=int, default=3)
    ap.add_argument("--scale", default="1")
    ap.add_argument("--timeout", type=int, default=540)
    ap.add_argument("--out", default=None)
    ap.add_argument("workloads", nargs="*")
    a = ap.parse_args()
    files = sorted(HERE.glob("w_*.py"))
    if a.workloads:
        files = [f for f in files if any(f.stem.startswith(w) for w in a.workloads)]
    out = Path(a.out) if a.out else HERE / "results" / f"{a.backend}.json"
    out.parent.mkdir(exist_ok=True)
    all_res = json.loads(out.read_text()) if out.exists() else {}
    env = dict(os.environ, BENCH_BACKEND=a.backend, BENCH_SCALE=a.scale)
    for f in files:
        rows = []
        for _ in range(a.repeats):
            try:
                r = subprocess.run(
                    [a.python, str(f)], env=env, capture_output=True, text=True, timeout=a.timeout
                )
                rows.append(json.loads(r.stdout.strip().splitlines()[-1]))
            except (subprocess.TimeoutExpired, IndexError, json.JSONDecodeError) as e:
                rows.append({"workload": f.stem, "error": f"{type(e).__name__}"})
        good = [r for r in rows if "error" not in r]
        res = merge(good) if good else rows[-1]
        res["repeats"] = len(good)
        res["failed"] = len(rows) - len(good)
        all_res[f.stem] = res
        print(json.dumps(res), flush=True)
        out.write_text(json.dumps(all_res, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
