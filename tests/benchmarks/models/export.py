"""One model, every format: TF.js layers, TF.js graph (folded by its converter), ONNX, tflite. Batch 1, float32."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx  # type: ignore[import-not-found]
import tensorflow as tf  # type: ignore[import-untyped]
from onnx import helper, numpy_helper


def tfjs_layers(model: Any, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "model.h5"
        model.save(file)
        _convert(["--input_format=keras", str(file), str(folder)])


def tfjs_graph(function: Any, owner: Any, folder: Path) -> None:
    """function: a tf.function with one fixed signature; owner: what holds its variables.

    Loops stay loops (control flow v2), with which TF.js is four times faster than with the converter's default.
    """
    with tempfile.TemporaryDirectory() as temporary:
        module = tf.Module()
        module.run, module.owner = function, owner
        tf.saved_model.save(module, temporary, signatures=function.get_concrete_function())
        _convert(["--input_format=tf_saved_model", "--control_flow_v2=True", temporary, str(folder)])
    file = folder / "model.json"
    topology = json.loads(file.read_text())
    nodes = list(topology["modelTopology"]["node"])
    nodes += [node for f in topology["modelTopology"]["library"].get("function", ()) for node in f["nodeDef"]]
    for node in nodes:  # protobuf tells maps in any order
        node["attr"] = dict(sorted(node.get("attr", {}).items()))
    file.write_text(json.dumps(topology, separators=(",", ":")))


def tflite(function: Any, owner: Any, file: Path) -> None:
    concrete = function.get_concrete_function()
    file.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], owner).convert())


def onnx_by_tf2onnx(function: Any, signature: list[Any], file: Path) -> None:
    import tf2onnx  # type: ignore[import-not-found]

    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=17)
    _canonical(model.graph)
    save_onnx(model, file)


def _canonical(graph: Any) -> None:
    """tf2onnx numbers and orders by addresses in memory; here nodes follow from the outputs, names from the order."""
    maker = {name: node for node in graph.node for name in node.output}
    weights = {weight.name: weight for weight in graph.initializer}
    ports = {port.name for port in (*graph.input, *graph.output)}
    names = {name: name for name in ports} | {"": ""}
    nodes: list[Any] = []
    used: list[Any] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in weights and name not in names:
            names[name] = f"w{len(used)}"
            used.append(weights[name])
        node = maker.get(name)
        if node is None or node.name in seen:
            return
        seen.add(node.name)
        for needed in node.input:
            visit(needed)
        for made in node.output:
            names.setdefault(made, f"v{len(names)}")
        nodes.append(node)

    for port in graph.output:
        visit(port.name)
    for index, node in enumerate(nodes):
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
        node.name = f"n{index}"
    for weight in used:
        weight.name = names[weight.name]
    for field, kept in ((graph.node, nodes), (graph.initializer, used)):
        copies = [type(item).FromString(item.SerializeToString(deterministic=True)) for item in kept]
        del field[:]
        field.extend(copies)
    del graph.value_info[:]


def onnx_gru(model: Any, file: Path) -> None:
    """Keras's GRU with reset_after is ONNX's with linear_before_reset; gates are z, r, h in both."""
    kernel, recurrent, bias, head, head_bias = (np.asarray(w) for w in model.get_weights())
    steps, features, units = 64, kernel.shape[0], recurrent.shape[0]
    constants = {
        "W": kernel.T[None], "R": recurrent.T[None], "B": bias.reshape(1, -1), "head": head, "head_bias": head_bias,
        "sequence": np.array([steps, 1, features]), "row": np.array([1, units]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Reshape", ["x", "sequence"], ["xs"]),
        helper.make_node(
            "GRU", ["xs", "W", "R", "B"], ["", "state"], hidden_size=units, linear_before_reset=1
        ),
        helper.make_node("Reshape", ["state", "row"], ["last"]),
        helper.make_node("Gemm", ["last", "head", "head_bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"], axis=-1),
    ]
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", (1, steps, features)), ("y", (1, head.shape[1])))
    ]
    initial = [
        numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()
    ]
    graph = helper.make_graph(nodes, "gru", ports[:1], ports[1:], initial)
    save_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)


def save_onnx(model: Any, file: Path) -> None:
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString(deterministic=True))


def _convert(arguments: list[str]) -> None:
    _converter()(arguments)


def _converter() -> Callable[[list[str]], None]:
    import tf_keras  # type: ignore[import-not-found]  # noqa: F401

    for name in ("tensorflow_decision_forests", "jax", "jax.experimental", "jax.experimental.jax2tf"):
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules["jax.experimental"].jax2tf = sys.modules["jax.experimental.jax2tf"]  # type: ignore[attr-defined]
    sys.modules["jax"].experimental = sys.modules["jax.experimental"]  # type: ignore[attr-defined]
    from tensorflowjs.converters import converter  # type: ignore[import-not-found]

    convert: Callable[[list[str]], None] = converter.convert
    return convert


def clean(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
