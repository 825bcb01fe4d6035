"""(g) lineage: chain of 300, fan-out/fan-in of 298 (diamond), ladder of stacked diamonds."""

import signal
import time

import harness as h


class TooSlow(Exception):
    pass


def _alarm(*_):
    raise TooSlow


def run(ctx):
    b = ctx.b
    ln = b.init("./st")
    src = ctx.tmp / "src"
    src.mkdir()
    seq = [0]

    def node(inputs):
        i = seq[0]
        seq[0] += 1
        r = b.new_run(ln, f"step{i:05d}.py")
        if inputs:
            b.add_inputs(ln, r, inputs)
        p = src / f"o{i:05d}.txt"
        p.write_text(f"output {i}")
        return b.save_path(ln, p, key=f"lin/{p.name}", run=r)

    def measure(a, reps=3, limit=60):
        a = ln.Artifact.get(a.uid)
        old = signal.signal(signal.SIGALRM, _alarm)
        signal.alarm(limit)
        try:
            t = time.perf_counter()
            nn, ne = b.lineage(ln, a)
            first = time.perf_counter() - t
            e = {
                "ms": h.ms(h.timeit(lambda: b.lineage(ln, a), reps, 0))
                if first < 5
                else h.ms(first),
                "nodes": nn,
                "edges": ne,
            }
            with h.count_sql() as c:
                b.lineage(ln, a)
            e["queries"] = c.summary()["queries"]
        except TooSlow:
            e = {"error": f"gave up after {limit} s"}
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, old)
        return e

    m = {}
    N = h.n(300, 6)
    t = time.perf_counter()
    chain = [node([])]
    for _ in range(N - 1):
        chain.append(node([chain[-1]]))
    m["build_per_node_ms"] = h.ms((time.perf_counter() - t) / N)
    m["chain_end"] = measure(chain[-1])
    m["chain_middle"] = measure(chain[N // 2])
    root = node([])
    mids = [node([root]) for _ in range(N - 2)]
    sink = node(mids)
    m["fan_sink"] = measure(sink)
    m["fan_root"] = measure(root)
    # ladder: a -> (b, c) -> d -> ...; k diamonds = 3k+1 nodes, 2^k paths
    top = node([])
    built = 0
    for k in (2, 4, 6, 8, 10, 12):
        while built < k:
            x, y = node([top]), node([top])
            top = node([x, y])
            built += 1
        m[f"ladder_{k}"] = measure(top, reps=1, limit=45)
        if "error" in m[f"ladder_{k}"]:
            break
    return m


if __name__ == "__main__":
    h.main(__file__, run)
