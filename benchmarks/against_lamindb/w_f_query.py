"""(f) 50k artifacts (bulk), 20 labels: filter by key prefix + label name, get by uid, search, to dataframe."""

import hashlib
import time

import harness as h


def run(ctx):
    b = ctx.b
    ln = b.init("./st")
    N = h.n(50000)
    m = {"n": N}
    b.ulabels_from_values(ln, [f"label-{i:02d}" for i in range(20)])
    labels = sorted(ln.ULabel.filter(name__startswith="label-"), key=lambda u: u.name)
    rows = [
        (
            f"proj{i % 50:02d}/sample{i % 977:03d}/file{i:06d}.parquet",
            1000 + i,
            hashlib.md5(str(i).encode()).hexdigest()[:22],
        )
        for i in range(N)
    ]
    links = [(i, labels[i % 20]) for i in range(N)]
    t = time.perf_counter()
    objs = b.bulk_artifacts(ln, rows, links)
    m["bulk_insert_s"] = round(time.perf_counter() - t, 3)
    m["bulk_insert_us_per_artifact"] = round((time.perf_counter() - t) / N * 1e6, 1)
    uid = objs[N // 2].uid
    ops = {
        # prefix = 1000 of 50k; label selects within
        "filter_prefix_label_list": lambda: b.to_list(
            ln.Artifact.filter(key__startswith="proj07/", ulabels__name="label-07")
        ),
        "filter_prefix_list_1000": lambda: b.to_list(ln.Artifact.filter(key__startswith="proj07/")),
        "filter_prefix_count": lambda: ln.Artifact.filter(key__startswith="proj07/").count(),
        "filter_label_count": lambda: ln.Artifact.filter(ulabels__name="label-07").count(),
        "get_by_uid": lambda: ln.Artifact.get(uid),
        "get_by_uid_prefix": lambda: ln.Artifact.get(uid[:16]),
        "get_by_key": lambda: ln.Artifact.get(key=rows[N // 3][0]),
        "search": lambda: b.to_list(ln.Artifact.search("sample123")),
        "to_df_1000": lambda: b.to_df(ln.Artifact.filter(key__startswith="proj07/"), limit=1000),
        "registry_df_latest_100": lambda: b.to_df(ln.Artifact, limit=100),
        "first_by_label": lambda: ln.Artifact.filter(ulabels__name="label-07").first(),
    }
    for k, f in ops.items():
        try:
            r = f()
            slow = k == "search"
            e = {"ms": h.ms(h.timeit(f, repeats=3 if slow else ctx.repeats))}
            with h.count_sql() as c:
                f()
            e["queries"] = c.summary()["queries"]
            e["rows"] = len(r) if hasattr(r, "__len__") else (r if isinstance(r, int) else 1)
        except Exception as ex:
            e = {"error": f"{type(ex).__name__}: {ex}"[:200]}
        m[k] = e
    m["db_mb"] = round(sum(p.stat().st_size for p in (ctx.tmp / "work").rglob("*.db")) / 1e6, 1)
    return m


if __name__ == "__main__":
    h.main(__file__, run)
