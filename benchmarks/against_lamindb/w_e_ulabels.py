"""(e) 10k ULabels: from_values(create=True).save(), list-of-objects + ln.save(), and one-by-one at 10k existing."""

import time

import harness as h


def run(ctx):
    b = ctx.b
    ln = b.init("./st")
    N = h.n(10000)
    m = {"n": N}
    names = [f"label-a-{i:06d}" for i in range(N)]
    t = time.perf_counter()
    b.ulabels_from_values(ln, names)
    m["from_values_create_s"] = round(time.perf_counter() - t, 3)
    t = time.perf_counter()
    ln.ULabel.from_values(names)
    m["from_values_existing_s"] = round(time.perf_counter() - t, 3)
    K = h.n(1000)  # object construction is the slow route: sample, report per label
    names = [f"label-b-{i:06d}" for i in range(K)]
    t = time.perf_counter()
    objs = [ln.ULabel(name=x) for x in names]
    t1 = time.perf_counter()
    ln.save(objs)
    m["construct_per_label_ms"] = h.ms((t1 - t) / K)
    m["ln_save_per_label_ms"] = h.ms((time.perf_counter() - t1) / K)
    durations = []
    for i in range(h.n(50)):
        t = time.perf_counter()
        ln.ULabel(name=f"single-{i}").save()
        durations.append(time.perf_counter() - t)
    m["single_construct_save"] = h.summarize_ms(durations)
    with h.count_sql() as c:
        ln.ULabel(name="counted").save()
    m["sql_single"] = c.summary()
    with h.count_sql() as c:
        b.ulabels_from_values(ln, [f"label-c-{i:06d}" for i in range(h.n(1000))])
    m["sql_from_values_1000"] = c.summary()
    m["count"] = ln.ULabel.filter().count()
    return m


if __name__ == "__main__":
    h.main(__file__, run)
