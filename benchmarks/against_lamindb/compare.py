"""Print baseline, other, and ratio other/baseline for every numeric leaf the two result files share."""

import json
import sys


def leaves(x, path=()):
    if isinstance(x, dict):
        for k, v in x.items():
            yield from leaves(v, (*path, k))
    elif isinstance(x, (int, float)) and not isinstance(x, bool):
        yield ".".join(path), x


a, b = (dict(leaves(json.load(open(p)))) for p in sys.argv[1:3])
for k in sorted(a.keys() & b.keys()):
    r = f"{b[k] / a[k]:8.3f}" if a[k] else "       -"
    print(f"{r}  {a[k]:>14} {b[k]:>14}  {k}")
