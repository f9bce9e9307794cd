"""A process that trains with generations, to be killed: python -m tests.train.killed FOLDER [EVERY]; prints the weights' hash."""

from __future__ import annotations

import hashlib
import sys
import time

from py_edge.train.checkpoint import Folder, Generations
from py_edge.train.finetune import finetune
from tests.train.small import SmallModel, blobs


def main(folder: str, every: int = 3) -> str:
    model = SmallModel([4, 16, 3], dropout=0.2)
    generations = Generations(Folder(folder), every=every) if folder else None

    def slowly(progress: object) -> None:
        time.sleep(0.004 if folder else 0.0)

    finetune(
        model,
        *blobs(60),
        layers="all",
        epochs=6,
        batch=8,
        seed=9,
        callbacks=[slowly],
        generations=generations,
    )
    return hashlib.sha256(b"".join(model.weights[n].tobytes() for n in sorted(model.weights))).hexdigest()


if __name__ == "__main__":
    print("ready", flush=True)
    print(main(sys.argv[1]), flush=True)
