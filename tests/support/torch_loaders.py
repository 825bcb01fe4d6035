"""Read a collection with the DataLoader of PyTorch: a program for the environment that has it, `.venv-torch`.

    python torch_loaders.py KEY BLOCK

`KEY` is that of a collection in the instance of the working directory, `BLOCK` a file with code for its `dataset` and
`weights`, as on the page on curation. Prints a JSON object with what the loaders returned.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

# Last, so that the newer numpy of the environment comes first.
sys.path.append("/usr/lib/python3/dist-packages")

import torch  # pyright: ignore[reportMissingImports]
from torch.utils.data import (  # pyright: ignore[reportMissingImports]
    DataLoader,
    WeightedRandomSampler,
)

import lamin_core as ln

SEED = 0


def rows(loader: Any) -> list[list[Any]]:
    """The number, values and label of each row that the loader returns, batch by batch."""
    returned: list[tuple[Any, ...]] = []
    for batch in loader:
        assert isinstance(batch["X"], torch.Tensor)
        assert batch["X"].dtype == torch.float32
        numbers, labels = batch["n"].tolist(), batch["label"].tolist()
        returned += zip(numbers, batch["X"].tolist(), labels, strict=True)
    return [list(row) for row in returned]


def read(key: str, block: str) -> dict[str, Any]:
    """Read the collection in each of the ways that a training loop does."""
    collection = ln.Collection.get(key=key)
    dataset = collection.mapped(obs_keys=["label", "n"], encode_labels=["label"], join="inner")
    start = dataset.torch_worker_init_fn
    results: dict[str, Any] = {"encoders": dataset.encoders["label"]}
    torch.manual_seed(SEED)
    results["in process"] = rows(DataLoader(dataset, batch_size=3))
    results["workers"] = rows(
        DataLoader(dataset, batch_size=3, num_workers=2, worker_init_fn=start)
    )
    weights = dataset.get_label_weights("label")
    several = WeightedRandomSampler(weights, num_samples=600)
    results["weighted"] = [label for _, _, label in rows(DataLoader(dataset, 100, sampler=several))]
    dataset.close()
    results["closed"] = dataset.closed
    shuffled = pickle.loads(pickle.dumps(dataset))
    results["shuffled"] = rows(
        DataLoader(shuffled, batch_size=2, shuffle=True, num_workers=2, worker_init_fn=start)
    )
    results["parent stays closed"] = shuffled.closed
    parallel = collection.mapped(obs_keys=["label", "n"], encode_labels=["label"], parallel=True)
    results["parallel"] = rows(DataLoader(parallel, batch_size=2, num_workers=2))
    namespace = {"dataset": dataset, "weights": weights}
    exec(compile(block, "block", "exec"), namespace)
    results["block"] = sorted(namespace["batch"])
    dataset.close()
    return results


if __name__ == "__main__":
    key, block = sys.argv[1:]
    print(json.dumps(read(key, Path(block).read_text("utf-8"))))
