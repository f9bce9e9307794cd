"""X4, regional recovery: a head from six writer blocks meets a new block; 20 answers bring it back.

Run: python -m tests.train.experiments.regional [--seeds 20] [--json FILE] [--svg FILE]. Data: scikit-learn's digits in their order, 13 blocks
of about 138 images (writers stay together). A region is one of the seven later blocks: 60 % of it may be asked about,
the rest measures. Arms: none, random (20 arbitrary answers), unsure (the 20 least confident), oracle (all answers).
Also: what the six first blocks lose by it. The origin has seen its own writers' pictures as they are, so that a new region is
as strange to it as to the head of a product; settings were chosen on seeds 100 to 102, others are reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.datasets import load_digits  # type: ignore[import-untyped]

from py_edge.model import Model
from py_edge.tfjs import sequential
from py_edge.train.finetune import finetune
from py_edge.train.rehearsal import Reservoir
from tests.train.experiments.command import flags, publish
from tests.train.experiments.forgetting import FIRST_SEED, accuracy, interval
from tests.train.experiments.picture import Panel, draw

ANSWERS, KNOWN, BLOCKS = 20, 6, 13
WANTED = {"mean": 0.95, "worst_region": 0.92}
LAYERS: list[dict[str, Any]] = [  # 1,610 parameters
    {"class_name": "Reshape", "target_shape": [8, 8, 1]},
    {"class_name": "Conv2D", "filters": 16, "kernel_size": [3, 3], "activation": "relu"},
    {"class_name": "MaxPooling2D", "pool_size": [2, 2]},
    {"class_name": "Flatten"},
    {"class_name": "Dropout", "rate": 0.3},
    {"class_name": "Dense", "units": 10, "activation": "softmax"},
]


def jittered(x: Any, y: Any, seed: int) -> tuple[Any, Any]:
    """Each image and its eight shifts by one pixel: writers place their digits differently."""
    images = x.reshape(-1, 8, 8)
    shifts = [np.roll(images, (down - 1, right - 1), (1, 2)) for down, right in np.ndindex(3, 3)]
    both = np.concatenate(shifts).reshape(-1, 64)
    order = np.random.default_rng(seed).permutation(len(both))
    return np.ascontiguousarray(both[order]), np.tile(y, 9)[order]


def run(seed: int) -> dict[str, list[float]]:
    """arm -> accuracy per region, and `lost` per region on the known blocks (arm unsure)."""
    data = load_digits()
    x, y = (data.data / 16).astype(np.float32), data.target.astype(np.int32)
    blocks = np.array_split(np.arange(len(x)), BLOCKS)
    rng = np.random.default_rng(seed)
    known = rng.permutation(np.concatenate(blocks[:KNOWN]))
    train, check = known[: int(0.85 * len(known))], known[int(0.85 * len(known)) :]
    memory = Reservoir(200, seed)
    origin = Model(sequential((64,), LAYERS, seed=seed))
    finetune(origin, x[train], y[train], layers="all", epochs=60, batch=32, learning_rate=0.003, seed=seed)
    finetune(origin, x[train], y[train], layers="all", epochs=0, seed=seed, rehearsal=memory)
    state, weights = memory.state(), dict(origin.weights)
    at_home = accuracy(origin, x[check], y[check])
    found: dict[str, list[float]] = {arm: [] for arm in ("none", "random", "unsure", "oracle", "lost")}
    for block in blocks[KNOWN:]:
        order = rng.permutation(block)
        pool, rest = order[: int(0.6 * len(order))], order[int(0.6 * len(order)) :]
        origin.set_weights(weights)
        scores = origin.predict(x[pool])
        sure = np.max(np.array(scores.flat).reshape(scores.shape), axis=1)
        asked = {
            "none": pool[:0], "random": rng.permutation(pool)[:ANSWERS], "unsure": pool[np.argsort(sure)[:ANSWERS]], "oracle": pool,
        }  # fmt: skip
        for arm, rows in asked.items():
            origin.set_weights(weights)
            if len(rows):
                finetune(
                    origin, *jittered(x[rows], y[rows], seed), layers="all", epochs=15, batch=32, learning_rate=0.002,
                    seed=seed, rehearsal=Reservoir.restore(state), replay=1.0, distill=0.2,
                )  # fmt: skip
            found[arm].append(accuracy(origin, x[rest], y[rest]))
            if arm == "unsure":
                found["lost"].append(at_home - accuracy(origin, x[check], y[check]))
    return found


def main() -> None:
    options = flags()
    rows = [run(seed) for seed in range(FIRST_SEED, FIRST_SEED + options.seeds)]
    table: dict[str, Any] = {
        "experiment": "X4",
        "seeds": options.seeds,
        "answers": ANSWERS,
        "wanted": WANTED,
        "arms": {},
    }
    for arm in rows[0]:
        by_region = np.mean([row[arm] for row in rows], axis=0)
        table["arms"][arm] = {
            "mean": interval([float(np.mean(row[arm])) for row in rows]), "worst_region": round(float(np.min(by_region)), 4),
        }  # fmt: skip
        print(arm, table["arms"][arm], flush=True)
    publish(options, table, {"": picture(table)})


def picture(table: Mapping[str, Any]) -> str:
    """The table as SVG."""
    arms = {name: row for name, row in table["arms"].items() if name != "lost"}
    lost = table["arms"]["lost"]["mean"]
    panels = [
        Panel("mean of the regions", {arm: row["mean"] for arm, row in arms.items()}, 0.88, 1.0, WANTED["mean"]),
        Panel("worst region", {arm: (row["worst_region"], 0.0) for arm, row in arms.items()}, 0.76, 1.0, WANTED["worst_region"]),
    ]  # fmt: skip
    return draw(
        "A new region of writers, and twenty answers",
        f"1,610 parameters, {table['seeds']} seeds, mean and 95 % interval; the known writers lose {100 * lost[0]:.2f} points",
        panels,
        ["unsure"],
    )


if __name__ == "__main__":
    main()
