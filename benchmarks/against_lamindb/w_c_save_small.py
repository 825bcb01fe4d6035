"""(c) 500 distinct 1 KB files saved one by one inside a tracked run; plus bulk from_dir of the same size."""

import os
import time

import harness as h


def run(ctx):
    b = ctx.b
    ln = b.init("./st")
    N = h.n(500)
    src = ctx.tmp / "src"
    src.mkdir()
    for i in range(N + 10):
        (src / f"f{i:05d}.txt").write_bytes(os.urandom(512).hex().encode())
    b.track_pipeline(ln)
    ctor, save, tot = [], [], []
    for i in range(N):
        p = src / f"f{i:05d}.txt"
        t0 = time.perf_counter()
        a = b.new_path(ln, p, key=f"small/{p.name}")
        t1 = time.perf_counter()
        a.save()
        t2 = time.perf_counter()
        ctor.append(t1 - t0)
        save.append(t2 - t1)
        tot.append(t2 - t0)
    m = {
        "per_artifact": h.summarize_ms(tot),
        "constructor": h.summarize_ms(ctor),
        "save": h.summarize_ms(save),
    }
    m["first_ms"] = h.ms(tot[0])  # lazy imports land here
    k = max(1, N // 10)
    m["first_tenth_ms"] = h.summarize_ms(tot[1 : k + 1])["median_ms"]
    m["last_tenth_ms"] = h.summarize_ms(tot[-k:])["median_ms"]
    with h.count_sql() as c:
        b.save_path(ln, src / f"f{N:05d}.txt", key="small/counted.txt")
    m["sql_per_save"] = c.summary()
    if os.environ.get("BENCH_DUMP_SQL"):
        m["sql_text"] = [s[:160] for s in c.statements]
    # same content again: dedup hit
    t0 = time.perf_counter()
    b.save_path(ln, src / "f00000.txt", key="small/f00000.txt")
    m["resave_identical_ms"] = h.ms(time.perf_counter() - t0)
    # bulk route over a directory of files
    d2 = ctx.tmp / "dir"
    d2.mkdir()
    for i in range(N):
        (d2 / f"g{i:05d}.txt").write_bytes(os.urandom(512).hex().encode())
    t0 = time.perf_counter()
    b.from_dir_save(ln, d2)
    m["from_dir_bulk_per_artifact_ms"] = h.ms((time.perf_counter() - t0) / N)
    m["n_artifacts_in_db"] = ln.Artifact.filter(key__startswith="small/").count()
    return m


if __name__ == "__main__":
    h.main(__file__, run)
