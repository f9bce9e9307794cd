"""What the benchmark needs beside us, made once: a TensorFlow environment, an onnxruntime one, the peers from npm."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from py_edge.bench.places import CACHE, MODELS, PEERS, ROOT, SOURCES
from py_edge.errors import EnvironmentProblem

Requirements = Sequence[Sequence[str]]
"""One pip call each; the converter's requirements name far more than it needs, hence --no-deps."""

TENSORFLOW: Requirements = (
    (
        "tensorflow-cpu==2.19.1",
        "setuptools<81",
        "six",
        "importlib_resources",
        "packaging~=23.1",
        "protobuf~=5.29.0",
    ),
    ("--no-deps", "tf_keras==2.19.0", "tensorflow_hub==0.16.1", "tensorflowjs==4.22.0", "tf2onnx==1.17.0"),
    ("onnx==1.19.1", "protobuf~=5.29.0"),
)
NATIVE: Requirements = (("onnxruntime==1.32.0", "numpy"),)
CARDS = SOURCES / "models.json"


def environment(name: str, requirements: Requirements) -> Path:
    """The Python of a virtual environment under .cache, made if it is missing or its requirements changed."""
    folder, stamp = CACHE / name, CACHE / name / "requirements.json"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = json.dumps(requirements)
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"making the environment {name}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    for line in requirements:
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *line])
    stamp.write_text(wanted)
    return python


def peers() -> Path:
    """node_modules of the peers, by the committed lock; LiteRT.js bundled for a classic worker."""
    lock = (SOURCES / "package-lock.json").read_bytes()
    stamp, wanted = PEERS / "stamp", hashlib.sha256(lock).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted):
        print("fetching the peers from npm", file=sys.stderr)
        PEERS.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(SOURCES / name, PEERS / name)
        _run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"], PEERS)
        litert = PEERS / "node_modules/@litertjs/core/dist/index.js"
        esbuild = ROOT / "web/node_modules/.bin/esbuild"
        flags = (
            "--bundle",
            "--minify",
            "--format=iife",
            "--global-name=LiteRT",
            f"--outfile={PEERS / 'litert.js'}",
        )
        _run([str(esbuild), str(litert), *flags, "--log-level=error"])
        stamp.write_text(wanted)
    return PEERS


def versions() -> dict[str, str]:
    """npm packages and their versions as locked, without the packages that they need."""
    manifest = json.loads((SOURCES / "package.json").read_text())
    return dict(manifest["dependencies"])


def cards() -> dict[str, Any]:
    """Id -> card of every committed model: shapes, mmac, sha256 of its weights and files."""
    return dict(json.loads(CARDS.read_text())) if CARDS.is_file() else {}


def make_models(ids: Sequence[str], *, again: bool = False) -> list[str]:
    """Make what is missing; returns the models whose files are not those whose hashes are committed."""
    known = cards()
    missing = [name for name in ids if again or not (MODELS / name / "card.json").is_file()]
    if missing:
        python = environment("tensorflow", TENSORFLOW)
        print(f"making the models {' '.join(missing)}", file=sys.stderr)
        command = [str(python), "-m", "tests.benchmarks.models", "--into", str(MODELS), *missing]
        # tf2onnx walks over sets of names, so the order in its files hangs on the seed of hashes.
        made: dict[str, Any] = json.loads(_run(command, ROOT, {"PYTHONHASHSEED": "0"}))
        if any(name not in known for name in made):
            known |= {name: made[name] for name in made if name not in known}
            CARDS.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    return [name for name in ids if _hashes(name) != _stable(known[name]["files"])]


# tf2onnx and TensorFlow's grappler number and order nodes by chance, so these files differ from machine to machine with the
# same weights and the same arithmetic; what they compute is compared with Keras before anything is timed.
_ORDERED_BY_CHANCE = ("model.onnx", "graph/model.json")


def _stable(files: Mapping[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name not in _ORDERED_BY_CHANCE}


def _hashes(name: str) -> dict[str, str]:
    folder = MODELS / name
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return _stable(
        {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    )


def _run(command: list[str], folder: Path | None = None, variables: Mapping[str, str] | None = None) -> str:
    """stdout; raises EnvironmentProblem with the last lines when it fails."""
    try:
        ran = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(variables or {})},
        )
    except FileNotFoundError as error:
        raise EnvironmentProblem("a program is missing", where=command[0], remedy="install it") from error
    if ran.returncode:
        tail = "\n".join((ran.stdout + ran.stderr).strip().splitlines()[-15:])
        raise EnvironmentProblem(f"{' '.join(command[:6])} failed\n{tail}", where=command[0])
    return ran.stdout
