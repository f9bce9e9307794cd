"""The Python converter in an environment of its own: .h5, .keras and SavedModels become TF.js folders.

TensorFlow is never a dependency of ours. The environment is made once, in a folder the caller names; 1.5 GB.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

from py_edge.errors import EnvironmentProblem, ModelFormatError, NotFoundError

PACKAGES = ("tensorflow-cpu==2.19.1", "setuptools<81", "six", "importlib_resources", "packaging~=23.1")
BARE = ("tf_keras==2.19.0", "tensorflow_hub==0.16.1", "tensorflowjs==4.22.0")
"""Installed without their dependencies, which would pull TensorFlow a second time."""
FORMATS = {".h5": "keras", ".hdf5": "keras", ".keras": "keras_keras"}

_RUN = """
import os, sys
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from types import ModuleType
import keras, tensorflow, tf_keras
sys.modules.setdefault("tensorflow_decision_forests", ModuleType("tensorflow_decision_forests"))
for name in ("jax", "jax.experimental", "jax.experimental.jax2tf"):
    sys.modules[name] = ModuleType(name)
sys.modules["jax"].experimental = sys.modules["jax.experimental"]
sys.modules["jax.experimental"].jax2tf = sys.modules["jax.experimental.jax2tf"]
from tensorflowjs.converters import converter
converter.convert(sys.argv[1:])
"""

Say = Callable[[str], None]


def input_format(source: Path) -> str:
    """The converter's word for what lies there. Raises NotFoundError, ModelFormatError."""
    if not source.exists():
        raise NotFoundError("there is nothing to convert", where=str(source))
    if source.is_dir():
        if (source / "saved_model.pb").exists():
            return "tf_saved_model"
        raise ModelFormatError("not a SavedModel", where=str(source), want="a folder with saved_model.pb")
    if source.suffix.lower() not in FORMATS:
        raise ModelFormatError(
            "unknown kind of model",
            where=str(source),
            got=source.suffix or "a file without a suffix",
            want=[*FORMATS, "a SavedModel folder"],
        )
    return FORMATS[source.suffix.lower()]


def python_of(environment: Path) -> Path:
    """The interpreter inside an environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def is_ready(environment: Path) -> bool:
    """Whether the converter can be imported there; one quick look at the packages, nothing is loaded."""
    python = python_of(environment)
    if not python.exists():
        return False
    probe = "import importlib.util as u; print(all(u.find_spec(n) for n in ('tensorflow', 'tf_keras', 'tensorflowjs')))"
    done = subprocess.run([str(python), "-c", probe], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "True"


def prepare(environment: Path, say: Say = print) -> None:
    """Make the environment and install the converter, as pinned above. Raises EnvironmentProblem."""
    say(f"making {environment} with TensorFlow 2.19 and the converter (about 1.5 GB, once)")
    venv.create(environment, with_pip=True)
    for more, packages in (((), PACKAGES), (("--no-deps",), BARE)):
        command = [str(python_of(environment)), "-m", "pip", "install", "-q", *more, *packages]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EnvironmentProblem(
                "TensorFlow and its converter could not be installed", where=str(environment), got=_last(done.stderr),
                want="Python 3.9 to 3.12 and a package index", remedy="see the output of pip in that environment",
            )  # fmt: skip


def convert(
    source: Path,
    target: Path,
    environment: Path,
    options: Sequence[str] = (),
    install: bool = False,
    say: Say = print,
) -> Path:
    """A TF.js folder made of an .h5, a .keras or a SavedModel; returns its model.json.

    options: further flags of tensorflowjs_converter, e.g. --quantize_float16. install: make the environment first
    where it is missing. Raises EnvironmentProblem (no TensorFlow there), ModelFormatError (what the converter said).
    """
    form = input_format(source)
    if not is_ready(environment):
        if not install:
            raise EnvironmentProblem(
                "TensorFlow is not there", where=str(environment), want="an environment with TensorFlow and tensorflowjs",
                remedy="run `py-edge convert --install`, or name one with --environment",
            )  # fmt: skip
        prepare(environment, say)
    more = ["--output_format=tfjs_layers_model"] if form == "keras_keras" else []
    command = [
        str(python_of(environment)),
        "-c",
        _RUN,
        *options,
        f"--input_format={form}",
        *more,
        str(source),
        str(target),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    result = target / "model.json"
    if done.returncode or not result.exists():
        raise ModelFormatError(
            "the converter refused the model", where=str(source), got=_last(done.stderr or done.stdout)
        )
    return result


def _last(output: str) -> str:
    lines = [line for line in output.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "no output"
