"""Does what we compute equal what Keras, TensorFlow or TF.js computed? Over a folder of recorded models.

Layout: converted/, layers/ (model.json, inputs*.npy, expected*.npy), random/ (case.json with x and pred), real/
(case.json naming raw files); kernels.jsonl.gz and gradients.jsonl.gz come in from who calls. Standard library only, so that the same check runs inside Pyodide.
"""

from __future__ import annotations

import ast
import json
import math
import struct
import time
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from py_edge.errors import PyEdgeError, UnsupportedError
from py_edge.tensor import Tensor
from py_edge.tfjs.graph_model import GraphModel
from py_edge.tfjs.layers_model import LayersModel
from py_edge.tfjs.load import load_model
from py_edge.tfjs.model import Model
from py_edge.tfjs.segments import Compile
from py_edge.tfjs.session import Session
from py_edge.tfjs.weights import Strings

NET = 1e-4
"""Of a whole net, relative to the largest value: float32 sums in another order."""
LOOSE = {"_u8": 0.2, "_mixq": 0.2, "float16": 5e-3, "_f16": 5e-3, "uint16": 1e-2}
"""Quantised variants, whose recorded output is the float model's."""
PARTS = (
    "converted", "layers", "random", "real", "kernels", "gradients",
    "op_graphs", "op_names", "layer_names", "bad_inputs",
)  # fmt: skip
Other = Callable[[Path], "Part | None"]
"""A part that another room computes from the whole folder; None where its file is missing."""


@dataclass(slots=True)
class Part:
    """One folder's or file's result. argued: differs, and why that is right. seconds: parse, lower and compile per model."""

    passed: int = 0
    total: int = 0
    failures: list[str] = field(default_factory=list)
    argued: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def count(self, name: str, fault: str) -> None:
        """One more case; fault: '' when it passed."""
        self.total += 1
        self.passed += not fault
        if fault:
            self.failures.append(f"{name}: {fault}")


def read_npy(path: Path) -> Tensor | Strings:
    """A .npy file of numbers or texts. Raises UnsupportedError."""
    raw = path.read_bytes()
    if raw[:6] != b"\x93NUMPY":
        raise UnsupportedError("not a .npy file", where=path.name)
    size, start = (
        (struct.unpack("<H", raw[8:10])[0], 10) if raw[6] == 1 else (struct.unpack("<I", raw[8:12])[0], 12)
    )
    head = ast.literal_eval(raw[start : start + size].decode("latin1"))
    kinds = {
        "<f4": "f",
        "<f8": "d",
        "<i4": "i",
        "<i8": "q",
        "|b1": "B",
        "|u1": "B",
        "|i1": "b",
        "<u2": "H",
        "<i2": "h",
    }
    if head["fortran_order"] and len(head["shape"]) > 1:
        raise UnsupportedError("this .npy", where=path.name, got="fortran order")
    if head["descr"][1] in "US":
        return _texts(raw[start + size :], head["descr"], head["shape"])
    if head["descr"] not in kinds:
        raise UnsupportedError("this .npy", where=path.name, got=head["descr"])
    values = array(kinds[head["descr"]], raw[start + size :])
    dtype = "float32" if head["descr"][1] == "f" else "bool" if head["descr"] == "|b1" else "int32"
    return Tensor.from_flat(values, head["shape"], dtype)


def _texts(data: bytes, descr: str, shape: tuple[int, ...]) -> Strings:
    """<U: code points in four bytes each; |S: bytes. Both padded with zeros."""
    width = int(descr[2:]) * (4 if descr[1] == "U" else 1)
    items = [data[i * width : (i + 1) * width] for i in range(math.prod(shape))]
    if descr[1] == "U":
        items = [item.decode("utf-32-le").encode() for item in items]
    return Strings(tuple(item.rstrip(b"\0") for item in items), shape)


def _numbered(folder: Path, stem: str) -> list[Path]:
    found = [folder / f"{stem}.npy"]
    while (path := folder / f"{stem}{len(found)}.npy").exists():
        found.append(path)
    return found


def error_of(got: Tensor | Strings, want: Tensor | Strings) -> float:
    """Largest difference relative to the largest value wanted (at least 1); infinite for another shape, and where
    whole numbers, truth values or texts differ at all."""
    if got.shape != want.shape:
        return math.inf
    if isinstance(got, Strings) or isinstance(want, Strings):
        return 0.0 if got == want else math.inf
    if "float32" not in (got.dtype, want.dtype):
        return 0.0 if got.flat.tolist() == want.flat.tolist() else math.inf
    ours, theirs = got.flat.tolist(), want.flat.tolist()
    if any(math.isnan(float(a)) != math.isnan(float(z)) for a, z in zip(ours, theirs, strict=True)):
        return math.inf
    largest = max((abs(z) for z in theirs if not math.isnan(z) and not math.isinf(z)), default=0.0)
    gaps = [0.0 if a == z or math.isnan(a) else abs(a - z) for a, z in zip(ours, theirs, strict=True)]
    return max(gaps, default=0.0) / max(1.0, largest)


def _given(model: Model, tensors: Sequence[Tensor | Strings]) -> dict[str, Tensor | Strings]:
    """Tensors to inputs, in order; a graph-model does not keep Keras' order: by rank and dtype then."""
    left, found = list(tensors), dict[str, Tensor | Strings]()
    for port in model.inputs:
        fits = [t for t in left if port.shape == (None,) or _fits(port.shape, t.shape)]
        same = [t for t in fits if _dtype(t) == port.dtype] or fits or left
        found[port.name] = same[0]
        left = [t for t in left if t is not same[0]]
    return found


def _dtype(value: Tensor | Strings) -> str:
    return value.dtype if isinstance(value, Tensor) else "string"


def _fits(open_shape: Sequence[int | None], shape: Sequence[int]) -> bool:
    pairs = zip(open_shape, shape, strict=False)
    return len(open_shape) == len(shape) and all(d in (None, s) for d, s in pairs)


def _close(results: dict[str, Tensor | Strings], wanted: Sequence[Tensor | Strings], tolerance: float) -> str:
    """'' when every wanted tensor is among the results, each used once; else what is wrong."""
    left = dict(results)
    for place, want in enumerate(wanted):
        errors = {name: error_of(got, want) for name, got in left.items()}
        best = min(errors, key=lambda name: errors[name], default="")
        if not best or not errors[best] <= tolerance:
            return f"output {place}: off by {errors.get(best, math.inf):.3g}, allowed {tolerance:.3g}"
        del left[best]
    return ""


def _tolerance(name: str) -> float:
    return next((value for mark, value in LOOSE.items() if mark in name), NET)


def check_case(folder: Path, session: Session) -> str:
    """'' when the session computes expected*.npy from inputs*.npy, else what is wrong."""
    model = session.model
    results = session.run(_given(model, [read_npy(p) for p in _numbered(folder, "inputs")]))
    plain = {name: value for name, value in results.items() if isinstance(value, (Tensor, Strings))}
    named = sorted(folder.glob("expected_*.npy"))
    wanted = [read_npy(p) for p in named or _numbered(folder, "expected")]
    if isinstance(model, LayersModel) and len(plain) == len(wanted) and not named:  # Keras' order is kept
        each = zip(plain.items(), wanted, strict=True)
        faults = (_close(dict([item]), [want], _tolerance(folder.name)) for item, want in each)
        return next((f"{name}: {fault}" for name, fault in zip(plain, faults, strict=True) if fault), "")
    return _close(plain, wanted, _tolerance(folder.name))


def _random_case(folder: Path, session: Session) -> str:
    case = json.loads((folder / "case.json").read_text())
    x, want = (Tensor.from_flat(case[k]["v"], case[k]["shape"]) for k in ("x", "pred"))
    results = session.run(_given(session.model, [x]))
    return _close({k: v for k, v in results.items() if isinstance(v, Tensor)}, [want], NET)


def _raw(folder: Path, entry: dict[str, Any]) -> Tensor:
    data = (folder / entry["file"]).read_bytes()
    return Tensor(memoryview(data), tuple(entry["shape"]), entry["dtype"])


def _bits(want: Tensor) -> Tensor:
    """Whole numbers that were written as if they were float32: all of them denormal."""
    if want.dtype == "float32" and want.size and 0 < max(abs(v) for v in want.flat) < 1e-37:
        return Tensor.from_flat(Tensor(want.data, want.shape, "int32").flat, want.shape, "float32")
    return want


def _real_case(folder: Path, session: Session) -> str:
    case = json.loads((folder / "case.json").read_text())
    model = session.model
    results = session.run({entry["name"]: _raw(folder, entry) for entry in case["inputs"]})
    names = (
        {source.name: name for name, source in model.sources.items()} if isinstance(model, GraphModel) else {}
    )
    for entry in case["outputs"]:
        got, want = results[names.get(entry["name"], entry["name"])], _bits(_raw(folder, entry))
        gap = error_of(got, want) if isinstance(got, Tensor) else math.inf
        if not gap <= NET:
            return f"{entry['name']}: off by {gap:.3g}, allowed {NET:.3g}"
    return ""


_CASES: dict[str, Callable[[Path, Session], str]] = {
    "converted": check_case, "layers": check_case, "random": _random_case, "real": _real_case,
}  # fmt: skip


def _absent(part: str, case: Path) -> str:
    """The first file that this case needs and lacks, or ''."""
    try:
        needed = ["model.json"]
        if (case / "model.json").is_file():
            document = json.loads((case / "model.json").read_bytes())
            needed += [path for group in document["weightsManifest"] for path in group["paths"]]
        if part not in ("random", "real"):
            named = any(case.glob("expected_*.npy"))
            needed += ["inputs.npy", *([] if named else ["expected.npy"])]
        else:
            needed.append("case.json")
        if part == "real" and (case / "case.json").is_file():
            told = json.loads((case / "case.json").read_bytes())
            needed += [entry["file"] for entry in (*told["inputs"], *told["outputs"])]
    except (ValueError, KeyError, TypeError):
        needed = ["model.json"]  # a broken file is for the check itself to tell
    return next((name for name in needed if not (case / name).is_file()), "")


def run_part(
    part: str, folder: Path, compile_: Compile, seen: Callable[[str, str], None] | None = None
) -> Part:
    """Every case of one part. A case that lacks a file is left out, by name, and the rest goes on."""
    result = Part()
    for case in sorted(path for path in folder.iterdir() if path.is_dir()):
        if absent := _absent(part, case):
            result.left_out.append(f"{case.name}: {absent} is missing")
            continue
        try:
            begin = time.perf_counter()
            session = Session(load_model(case), _timed(compile_, result, case.name, begin))
            fault = _CASES[part](case, session)
        except PyEdgeError as error:
            fault = str(error)
        except (ValueError, KeyError, TypeError, IndexError, OSError, SyntaxError) as error:
            fault = f"the recording cannot be read: {type(error).__name__}: {error}"
        result.count(case.name, fault)
        if seen is not None:
            seen(case.name, fault)
    return result


def _timed(compile_: Compile, result: Part, name: str, begin: float) -> Compile:
    """Writes down the seconds from `begin`, before the file was read, until the last part was compiled; where data
    decides what comes next, the running of what came before is in it."""

    def timed(graph: Any) -> Any:
        compiled = compile_(graph)
        result.seconds[name] = time.perf_counter() - begin
        return compiled

    return timed


def run(
    data: Path, compile_: Compile, only: Iterable[str] = PARTS, others: Mapping[str, Other] | None = None
) -> dict[str, Part]:
    """All parts that are there. others: parts by name that this room cannot compute alone (train.conformance)."""
    found: dict[str, Part] = {}
    for part in only:
        if part in _CASES and (data / part).is_dir():
            found[part] = run_part(part, data / part, compile_)
        elif others and part in others and (result := others[part](data)) is not None:
            found[part] = result
    return found


def as_json(parts: dict[str, Part]) -> dict[str, Any]:
    """{ok, <part>: {passed, total, failures, argued, left_out, ready_s}}; ok: nothing fails without a reason."""
    rows = {
        name: {"passed": p.passed, "total": p.total, "failures": p.failures, "argued": p.argued,
               "left_out": p.left_out, "ready_s": {case: round(s, 3) for case, s in p.seconds.items()}}
        for name, p in parts.items()
    }  # fmt: skip
    return {"ok": all(not p.failures for p in parts.values()), **rows}
