"""Loading: every broken file gives its code and its place, whole files load, and mutation never breaks out."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py_edge.errors import IntegrityError, ModelFormatError, NotFoundError, PathError, PyEdgeError
from py_edge.tfjs import load_model
from tests.tfjs.bad_models import CASES, DATA, good


@pytest.mark.parametrize("name", CASES)
def test_refuses_with_code_and_place(name: str) -> None:
    """A broken file gives one of its codes, quickly, and says where."""
    files, codes, place = CASES[name]
    begin = time.perf_counter()
    with pytest.raises(PyEdgeError) as caught:
        load_model(files)
    assert caught.value.code in codes, str(caught.value)
    assert place in caught.value.where
    assert time.perf_counter() - begin < 4


def test_the_unbroken_one_loads() -> None:
    """What the cases are derived from is a good model."""
    model = load_model({"model.json": json.dumps(good()).encode(), "w.bin": DATA})
    assert (model.inputs[0].shape, model.outputs[0].shape, model.parameters) == ((None, 4), (None, 2), 10)


def test_every_cut_is_refused() -> None:
    """JSON cut at any byte is E_FORMAT."""
    raw = json.dumps(good()).encode()
    for cut in range(len(raw)):
        with pytest.raises(ModelFormatError) as caught:
            load_model({"model.json": raw[:cut], "w.bin": DATA})
        assert caught.value.code == "E_FORMAT"


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps(good()))
    (folder / "w.bin").write_bytes(DATA)
    return folder


def test_folder_and_file_load(tmp_path: Path) -> None:
    """A folder and its model.json are the same model."""
    folder = _folder(tmp_path)
    assert load_model(folder).weights.keys() == load_model(folder / "model.json").weights.keys()


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


KINDS: dict[str, Callable[[Path, Path], None]] = {
    "symlink": lambda path, outside: path.symlink_to(outside),
    "symlink to a device": lambda path, outside: path.symlink_to("/dev/zero"),
    "hardlink": lambda path, outside: path.hardlink_to(outside),
    "pipe": lambda path, outside: os.mkfifo(path),
    "socket": lambda path, outside: _socket(path),
    "folder": lambda path, outside: path.mkdir(),
}


@pytest.mark.parametrize("file", ["w.bin", "model.json"])
@pytest.mark.parametrize("kind", KINDS)
def test_links_and_devices_are_refused(tmp_path: Path, kind: str, file: str) -> None:
    """Whatever is no plain file of this folder, as shard or as model.json: E_PATH with its name, and no waiting."""
    folder = _folder(tmp_path)
    outside = (folder / file).rename(tmp_path / "outside")
    KINDS[kind](folder / file, outside)
    with pytest.raises(PathError) as caught:
        load_model(folder)
    assert caught.value.where == file


def _in_subfolder(tmp_path: Path) -> Path:
    """The same model with its shard in sub/, and elsewhere/ with a shard of the same name outside."""
    folder = _folder(tmp_path)
    (folder / "sub").mkdir()
    (folder / "w.bin").rename(folder / "sub" / "w.bin")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "w.bin").write_bytes(DATA)
    document = good()
    document["weightsManifest"][0]["paths"] = ["sub/w.bin"]
    (folder / "model.json").write_text(json.dumps(document))
    return folder


def test_a_linked_parent_is_refused(tmp_path: Path) -> None:
    """A shard below a symbolic link to a folder: E_PATH."""
    folder = _in_subfolder(tmp_path)
    load_model(folder)
    (folder / "sub").rename(tmp_path / "gone")
    (folder / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PathError):
        load_model(folder)


@pytest.mark.parametrize("swapped", ["sub", "sub/w.bin"])
def test_a_file_swapped_between_check_and_open_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    """The shard, or the folder above it, becomes a link after the check found none: E_PATH, not the foreign bytes."""
    folder = _in_subfolder(tmp_path)
    check = Path.is_symlink

    def swap_after(path: Path) -> bool:
        found = check(path)
        if path == folder / "sub" / "w.bin" and not found and not check(folder / swapped):
            (folder / swapped).rename(tmp_path / "gone")
            (folder / swapped).symlink_to(tmp_path / "elsewhere" / swapped.removeprefix("sub").lstrip("/"))
        return found

    monkeypatch.setattr(Path, "is_symlink", swap_after)
    with pytest.raises(PathError) as caught:
        load_model(folder)
    assert caught.value.where == "sub/w.bin"


def test_nothing_there(tmp_path: Path) -> None:
    """An absent model is E_NOT_FOUND with a remedy."""
    with pytest.raises(NotFoundError) as caught:
        load_model(tmp_path)
    assert caught.value.remedy


def test_digests_of_a_release_are_held() -> None:
    """One flipped bit, or shards of another version: E_INTEGRITY."""
    files = {"model.json": json.dumps(good()).encode(), "w.bin": DATA}
    with pytest.raises(IntegrityError):
        load_model(files, digests={"w.bin": "0" * 64})


def test_inspect_lists_instead_of_raising() -> None:
    """With inspect the unknown is listed with code and place, and nothing is raised."""
    files = CASES["L84 unknown layer"][0]
    problems = load_model(files, inspect=True).unsupported
    assert [(p.code, "Dens" in p.message) for p in problems] == [("E_UNSUPPORTED", True)]


def outcome(files: dict[str, bytes]) -> str:
    """'' for a model that loads, else the code; every other exception comes through."""
    try:
        load_model(files)
    except PyEdgeError as error:
        return error.code
    return ""


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 2**40), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8),
    st.just([]), st.just({}), st.lists(st.integers(-2, 9), max_size=3),
)  # fmt: skip


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += _paths(item, (*path, key))
    return found


SEEDS = [
    good(),
    *(
        json.loads(CASES[n][0]["model.json"])
        for n in ("L99 node index", "L112 attr type", "L114 recursion", "L116 huge list")
    ),
]
PLACES = [(i, path) for i, seed in enumerate(SEEDS) for path in _paths(seed)]


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), value=VALUES, cut=st.integers(0, 60))
def test_mutated_files_only_raise_our_errors(
    place: tuple[int, tuple[str | int, ...]], value: object, cut: int
) -> None:
    """One value of a model replaced by anything, its shard cut: loads, or one of our errors."""
    seed, path = place
    document = json.loads(json.dumps(SEEDS[seed]))
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    shard = DATA[: max(40 - cut, 0)] if cut > 20 else DATA
    assert outcome({"model.json": json.dumps(document).encode(), "w.bin": shard}) != "E_INTERNAL"


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_bytes_only_raise_our_errors(data: st.DataObject) -> None:
    """Bytes of model.json replaced, removed, doubled: loads, or one of our errors."""
    raw = bytearray(json.dumps(data.draw(st.sampled_from(SEEDS))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    assert outcome({"model.json": bytes(raw), "w.bin": DATA}) != "E_INTERNAL"


@pytest.mark.parametrize(
    ("op", "attr"),
    [("Conv2DBackpropInput", {}), ("CropAndResize", {}), ("Dilation2D", {"padding": {"s": "VkFMSUQ="}})],
)
def test_an_op_on_inputs_of_another_rank_is_told(op: str, attr: dict[str, object]) -> None:
    """What lowering trips over is an error of ours that names the node, not a foreign one."""
    names = ["a", "z", "i", "s"]
    ports = [{"name": n, "op": "Placeholder", "attr": {"dtype": {"type": "DT_FLOAT"}}} for n in names]
    node = {"name": "y", "op": op, "input": names, "attr": attr}
    signature = {"inputs": {n: {"name": f"{n}:0"} for n in names}, "outputs": {"y": {"name": "y:0"}}}
    document = {
        "format": "graph-model", "modelTopology": {"node": [*ports, node]}, "signature": signature, "weightsManifest": [],
    }  # fmt: skip
    model = load_model({"model.json": json.dumps(document).encode()})
    with pytest.raises(PyEdgeError) as caught:
        model.graph(dict.fromkeys(names, (3,)))
    assert caught.value.code in ("E_GRAPH", "E_SHAPE", "E_UNSUPPORTED")
    assert "'y'" in caught.value.where


def test_a_huge_size_in_a_constant_is_refused_at_once() -> None:
    """A crop of two thousand million rows is E_LIMIT before anything of that size is made."""
    ports = [
        {"name": n, "op": "Placeholder", "attr": {"dtype": {"type": "DT_FLOAT"}}} for n in ("a", "z", "i")
    ]
    size = {"name": "s", "op": "Const", "attr": {"dtype": {"type": "DT_INT32"}}}
    node = {"name": "y", "op": "CropAndResize", "input": ["a", "z", "i", "s"], "attr": {}}
    inputs = {n: {"name": f"{n}:0"} for n in ("a", "z", "i")}
    document = {
        "format": "graph-model", "modelTopology": {"node": [*ports, size, node]},
        "signature": {"inputs": inputs, "outputs": {"y": {"name": "y:0"}}},
        "weightsManifest": [{"paths": ["w.bin"], "weights": [{"name": "s", "shape": [2], "dtype": "int32"}]}],
    }  # fmt: skip
    data = (2_000_000_000).to_bytes(4, "little") + (1).to_bytes(4, "little")
    model = load_model({"model.json": json.dumps(document).encode(), "w.bin": data})
    begin = time.perf_counter()
    with pytest.raises(PyEdgeError) as caught:
        model.graph({"a": (1, 4, 4, 1), "z": (1, 4), "i": (1,)})
    assert caught.value.code == "E_LIMIT"
    assert time.perf_counter() - begin < 1


def test_a_long_list_that_nobody_wrote_is_stacked_at_once() -> None:
    """Stacking sixty thousand unwritten elements is one concat of one zero, not as many nodes."""
    kinds = {"element_dtype": {"type": "DT_FLOAT"}}
    nodes = [
        *({"name": n, "op": "Const", "attr": {"dtype": {"type": "DT_INT32"}}} for n in "ne"),
        {"name": "l", "op": "TensorListReserve", "input": ["e", "n"], "attr": kinds},
        {"name": "y", "op": "TensorListStack", "input": ["l", "e"], "attr": kinds},
    ]
    entries = [{"name": "n", "shape": [], "dtype": "int32"}, {"name": "e", "shape": [1], "dtype": "int32"}]
    document = {
        "format": "graph-model", "modelTopology": {"node": nodes},
        "signature": {"inputs": {}, "outputs": {"y": {"name": "y:0"}}},
        "weightsManifest": [{"paths": ["w.bin"], "weights": entries}],
    }  # fmt: skip
    data = (60_000).to_bytes(4, "little") + (2).to_bytes(4, "little")
    begin = time.perf_counter()
    graph = load_model({"model.json": json.dumps(document).encode(), "w.bin": data}).graph(1)
    assert graph.specs[graph.outputs["y"]].shape == (60_000, 2)
    assert len(graph.nodes) < 10
    assert time.perf_counter() - begin < 2
