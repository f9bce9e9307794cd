"""Long fuzzing of loading: coverage-guided by atheris where it is installed, blind mutation of the same seeds otherwise.

    python -m tests.tfjs.fuzz_load --seconds 60 [--corpus FOLDER]

An input is model.json and one shard, the JSON's length in four bytes before them. Whatever goes in, load_model gives a
model or one of our errors; a model that loads is also lowered. Anything else is a finding: it is written to the corpus
folder as crash-*, and the exit code is not 0. atheris is no dependency: install it beside (CPython 3.11 to 3.13).
"""

from __future__ import annotations

import argparse
import json
import random
import struct
import sys
import tempfile
import time
from pathlib import Path

from py_edge.errors import PyEdgeError

GOLDEN = Path(__file__).parent.parent / "golden" / "models"
SMALL = 60_000
WORDS = [
    b"null",
    b"-1",
    b"1e999",
    b"[]",
    b"{}",
    b'"float32"',
    b'"uint8"',
    b"2147483648",
    b'"layers-model"',
    b'"graph-model"',
]


def packed(files: dict[str, bytes]) -> bytes:
    """One seed of a model's files."""
    document = files["model.json"]
    data = b"".join(raw for name, raw in sorted(files.items()) if name != "model.json")
    return struct.pack("<I", len(document)) + document + data


def seeds() -> list[bytes]:
    """The catalogue of broken models, the recorded one-node graphs and the small golden models."""
    from py_edge.tfjs.recorded_graphs import files_of, op_cases
    from tests.tfjs.bad_models import CASES, DATA, good

    found = [packed({"model.json": json.dumps(good()).encode(), "w.bin": DATA})]
    found += [packed(files) for files, _, _ in CASES.values() if "model.json" in files]
    found += [packed(files_of(case)) for case in op_cases(GOLDEN.parent / "ops.jsonl.gz").values()]
    for folder in sorted(GOLDEN.iterdir()):
        found.append(
            packed({path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".npy"})
        )
    return [seed for seed in found if len(seed) <= SMALL]


def one(data: bytes) -> None:
    """Load one input. Only our errors stay inside."""
    from py_edge.tfjs import load_model
    from py_edge.tfjs.limits import Limits

    size = min(struct.unpack("<I", data[:4].ljust(4, b"\0"))[0], len(data))
    document, shard = data[4 : 4 + size], data[4 + size :]
    names = ["w.bin"]
    try:
        groups = json.loads(document)["weightsManifest"]
        names += [path for group in groups for path in group["paths"] if isinstance(path, str)]
    except Exception:
        pass
    try:
        model = load_model(
            {"model.json": document, **dict.fromkeys(names[-1:], shard)}, limits=Limits(elements=1 << 20)
        )
        model.graph(2)
    except PyEdgeError:
        return


def mutated(data: bytes, draw: random.Random) -> bytes:
    """A few bytes flipped, cut out, doubled or replaced by words of the format."""
    raw = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at, n = draw.randrange(4, max(len(raw), 5)), draw.randint(1, 16)
        kind = draw.randrange(4)
        if kind == 0 and at < len(raw):
            raw[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del raw[at : at + n]
        elif kind == 2:
            raw[at:at] = raw[at : at + n]
        else:
            raw[at : at + n] = draw.choice(WORDS)
    if draw.random() < 0.8:
        raw[:4] = struct.pack("<I", max(0, struct.unpack("<I", data[:4])[0] + len(raw) - len(data)))
    return bytes(raw)


def blind(corpus: Path, seconds: float, seed: int) -> int:
    """Mutation without coverage; the number of findings."""
    draw, pool, end = random.Random(seed), seeds(), time.monotonic() + seconds
    runs = findings = 0
    while time.monotonic() < end:
        data = mutated(draw.choice(pool), draw)
        runs += 1
        try:
            one(data)
        except Exception as error:
            findings += 1
            path = corpus / f"crash-{runs}"
            path.write_bytes(data)
            print(f"{path}: {type(error).__name__}: {error}", file=sys.stderr)
    print(f"{runs} inputs, {findings} findings, blind mutation")
    return findings


def guided(corpus: Path, seconds: int) -> None:
    """atheris over the corpus folder; it ends the process itself."""
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

    with atheris.instrument_imports(include=["py_edge"]):
        import py_edge.tfjs  # noqa: F401  # so that what is fuzzed is the instrumented code

    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    flags = [f"-max_total_time={seconds}", f"-max_len={SMALL}", "-timeout=10", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={corpus}/", *flags], one)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="where inputs are kept; default: a new folder")
    parser.add_argument("--seed", type=int, default=0, help="of blind mutation")
    parser.add_argument("--blind", action="store_true", help="do not use atheris")
    arguments = parser.parse_args()
    corpus = arguments.corpus or Path(tempfile.mkdtemp(prefix="py-edge-fuzz-"))
    corpus.mkdir(parents=True, exist_ok=True)
    if not arguments.blind:
        try:
            guided(corpus, arguments.seconds)
        except ImportError:
            print("atheris is not installed: blind mutation instead", file=sys.stderr)
    return 1 if blind(corpus, arguments.seconds, arguments.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
