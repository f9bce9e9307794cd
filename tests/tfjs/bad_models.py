"""The catalogue of broken and hostile model files: each case a name, the files, the code that must come.

Cases L1 to L118 by their numbers; made here, never stored. `CASES` maps a name to (files, allowed codes, place).
"""

from __future__ import annotations

import copy
import gzip
import json
import struct
from collections.abc import Callable
from typing import Any

Files = dict[str, bytes]
Case = tuple[Files, tuple[str, ...], str]
CASES: dict[str, Case] = {}
value: Any
weights: Any


def layers(*items: dict[str, Any]) -> dict[str, Any]:
    """A Sequential topology around layers."""
    entry = {
        "class_name": "InputLayer",
        "config": {"name": "x", "batch_input_shape": [None, 4], "dtype": "float32"},
    }
    return {
        "model_config": {"class_name": "Sequential", "config": {"name": "m", "layers": [entry, *items]}},
        "keras_version": "2.15.0",
    }


def layer(kind: str, name: str = "d", **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}


KERNEL = {"name": "d/kernel", "shape": [4, 2], "dtype": "float32"}
BIAS = {"name": "d/bias", "shape": [2], "dtype": "float32"}
DATA = struct.pack("<10f", *[0.5 * i for i in range(10)])


def good() -> dict[str, Any]:
    return {
        "format": "layers-model", "modelTopology": layers(layer("Dense", units=2)),
        "weightsManifest": [{"paths": ["w.bin"], "weights": [dict(KERNEL), dict(BIAS)]}],
    }  # fmt: skip


def put(name: str, codes: str, document: Any, data: bytes = DATA, place: str = "", **files: bytes) -> None:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    CASES[name] = ({"model.json": raw, "w.bin": data, **files}, tuple(codes.split("|")), place)


def changed(name: str, codes: str, path: str, value: Any, data: bytes = DATA, place: str = "") -> None:
    """The good model with one place of its JSON set to a value, or removed when value is ...."""
    document = copy.deepcopy(good())
    *way, last = [int(p) if p.isdigit() else p for p in path.split("/")]
    at: Any = document
    for step in way:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    put(name, codes, document, data, place)


TEXT = json.dumps(good()).encode()
put("L1 empty", "E_FORMAT", b"")
put("L2 web page", "E_FORMAT", b"<!doctype html><html>not found</html>", place="model.json")
for cut in (1, 2, 17, len(TEXT) // 2, len(TEXT) - 2, len(TEXT) - 1):
    put(f"L3 cut at {cut}", "E_FORMAT", TEXT[:cut])
put("L4 mark", "E_FORMAT", b"\xef\xbb\xbf" + TEXT)
put("L5 utf-16", "E_FORMAT", TEXT.decode().encode("utf-16"))
put("L5 utf-32", "E_FORMAT", TEXT.decode().encode("utf-32"))
put("L6 overlong", "E_FORMAT", TEXT.replace(b"Sequential", b"Sequ\xc0\xafential"))
put("L6 lone surrogate", "E_FORMAT", TEXT.replace(b'"d"', b'"\\ud800"'))
put("L6 zero byte", "E_FORMAT", TEXT.replace(b"Sequential", b"Seq\x00uential"))
for depth in (65, 1800, 100_000):
    put(f"L7 objects {depth}", "E_LIMIT", b'{"a":' * depth + b"1" + b"}" * depth)
    put(f"L8 lists {depth}", "E_LIMIT", b"[" * depth + b"]" * depth)
    put(f"L9 mixed {depth}", "E_LIMIT", b'{"a":[' * depth + b"]}" * depth)
    put(f"L9 open {depth}", "E_LIMIT", b"[" * depth)
put("L10 too long", "E_LIMIT", b" " * ((16 << 20) + 1))
put("L11 many objects", "E_LIMIT", b'{"a":[' + b",".join([b"{}"] * 1_000_000) + b"]}")
put("L12 long string", "E_LIMIT", b'{"a":"' + b"x" * (17 << 20) + b'"}')
put("L13 key twice", "E_FORMAT", TEXT[:-1] + b',"format":"layers-model"}')
put("L13 key twice deep", "E_FORMAT", TEXT.replace(b'"units": 2', b'"units": 2, "units": 3'))
for word in (b"NaN", b"Infinity", b"-Infinity"):
    put(f"L14 {word.decode()}", "E_FORMAT", TEXT.replace(b'"units": 2', b'"units": ' + word))
put("L15 1e999", "E_FORMAT", TEXT.replace(b'"units": 2', b'"units": 1e999'))
put("L16 long integer", "E_FORMAT", TEXT.replace(b'"units": 2', b'"units": ' + b"9" * 4301))
for top in (b"[]", b"null", b"3", b'"x"', b"true"):
    put(f"L17 top level {top.decode()}", "E_FORMAT", top)
for key in ("__proto__", "constructor", "__class__"):
    put(f"L18 key {key}", "E_FORMAT", {**good(), key: 1})
changed("L19 no topology", "E_FORMAT", "modelTopology", ..., place="/modelTopology")
put("L20 gzip", "E_LIMIT|E_INTEGRITY", b"\x1f\x8b\x08\x00" + b"\0" * 20)
PACKED = gzip.compress(TEXT, mtime=0)
put("L20 whole model in gzip", "E_LIMIT|E_INTEGRITY", PACKED, place="model.json")
put("L20 bomb", "E_LIMIT|E_INTEGRITY", gzip.compress(b" " * (24 << 20), mtime=0), place="model.json")
put("L20 gzip twice", "E_LIMIT|E_INTEGRITY", gzip.compress(PACKED, mtime=0), place="model.json")
put("L20 gzip and more", "E_LIMIT|E_INTEGRITY", PACKED + b"more", place="model.json")
put("L20 gzip as shard", "E_INTEGRITY", good(), gzip.compress(DATA, mtime=0), place="w.bin")
put("L21 xz", "E_LIMIT|E_INTEGRITY", b"\xfd7zXZ\x00\x00\x04" + b"\0" * 40, place="model.json")
put("L21 bzip2", "E_LIMIT|E_INTEGRITY", b"BZh91AY&SY" + b"\0" * 40, place="model.json")
put("L22 body without end", "E_LIMIT", TEXT[:-1] + b" " * (20 << 20) + b"}", place="model.json")
put("L21 zstd", "E_LIMIT|E_INTEGRITY", b"\x28\xb5\x2f\xfd" + b"\0" * 20)
for name, magic in (
    ("pickle", b"\x80\x04\x95"), ("hdf5", b"\x89HDF\r\n\x1a\n"), ("keras", b"PK\x03\x04"), ("tflite", b"\x1c\0\0\0TFL3"),
    ("onnx", b"\x08\x07\x12\x04"), ("safetensors", struct.pack("<Q", 60) + b'{"a":{"dtype":"F32"'), ("png", b"\x89PNG\r\n"),
):  # fmt: skip
    put(f"L23 {name}", "E_UNSUPPORTED", magic + b"\0" * 40)
for name, value in (("missing", ...), ("null", None), ("object", {}), ("text", "x")):
    changed(f"L26 manifest {name}", "E_FORMAT", "weightsManifest", value, place="/weightsManifest")
changed("L26 manifest empty", "E_FORMAT|E_GRAPH", "weightsManifest", [])
changed("L27 no paths", "E_FORMAT", "weightsManifest/0/paths", ..., place="/weightsManifest/0")
changed("L27 no weights", "E_FORMAT", "weightsManifest/0/weights", ..., place="/weightsManifest/0")
changed("L28 paths empty", "E_FORMAT", "weightsManifest/0/paths", [])
for number, path in enumerate(
    ("../w.bin", "a/../../w.bin", "/etc/passwd", "C:\\x", "\\\\host\\share", "//host/x", "https://evil/x", "data:,x", "blob:x",
     "file:///x", "javascript:x", "%2e%2e%2fw.bin", "%252e%252e/w", "w\0.bin", "w\n.bin", "w.bin.", "w.bin ", "CON", "nul.bin",
     ".", "..", "", "a//b", ".hidden", "a/./b")
):  # fmt: skip
    changed(
        f"L{29 + number} path {path!r}",
        "E_PATH",
        "weightsManifest/0/paths",
        [path],
        place="/weightsManifest/0/paths/0",
    )
changed("L40 case", "E_PATH", "weightsManifest/0/paths", ["w.bin", "W.BIN"])
changed("L40 nfc", "E_PATH", "weightsManifest/0/paths", ["\u00e9.bin", "e\u0301.bin"])
changed("L41 twice", "E_PATH", "weightsManifest/0/paths", ["w.bin", "w.bin"])
changed("L42 many shards", "E_LIMIT", "weightsManifest/0/paths", [f"s{i}" for i in range(100_000)])
put("L46 short", "E_INTEGRITY", good(), DATA[:-1])
put("L47 long", "E_INTEGRITY", good(), DATA + b"\0")
put("L50 empty shard", "E_INTEGRITY", good(), b"")
put("L52 page", "E_INTEGRITY", good(), b"<html>404</html>")
CASES["L53 missing shard"] = ({"model.json": TEXT}, ("E_INTEGRITY",), "w.bin")
for name, value in (
    ("missing", ...),
    ("number", 3),
    ("empty", ""),
    ("long", "x" * 10_240),
    ("control", "a\u0007"),
    ("bidi", "a\u202eb"),
    ("proto", "__proto__"),
):
    changed(
        f"L54 name {name}",
        "E_FORMAT",
        "weightsManifest/0/weights/0/name",
        value,
        place="/weightsManifest/0/weights/0/name",
    )
changed("L55 name twice", "E_FORMAT", "weightsManifest/0/weights/1/name", "d/kernel")
changed("L56 names nfc", "E_FORMAT", "weightsManifest/0/weights",
        [{"name": "\u00e9", "shape": [5], "dtype": "float32"}, {"name": "e\u0301", "shape": [5], "dtype": "float32"}])  # fmt: skip
for name, value in (
    ("missing", ...),
    ("float99", "float99"),
    ("FLOAT32", "FLOAT32"),
    ("number", 3),
    ("float16", "float16"),
):
    changed(f"L58 dtype {name}", "E_UNSUPPORTED", "weightsManifest/0/weights/0/dtype", value, place="/dtype")
STRING = [{"name": "s", "shape": [1], "dtype": "string"}]
changed("L60 string length", "E_INTEGRITY", "weightsManifest/0/weights", STRING, b"\xff\xff\xff\xff")
changed("L61 string bytes", "E_INTEGRITY", "weightsManifest/0/weights", STRING, b"\x02\0\0\0\xc0\xaf")
for name, value, codes in (
    ("null", None, "E_SHAPE"), ("object", {}, "E_SHAPE"), ("text", "4", "E_SHAPE"), ("-1", [-1, 2], "E_SHAPE"), ("-3", [-3], "E_SHAPE"),
    ("3.5", [3.5, 2], "E_SHAPE"), ("'3'", ["3", 2], "E_SHAPE"), ("true", [True, 2], "E_SHAPE"), ("2^53+1", [2**53 + 1], "E_SHAPE"),
    ("2^31 2^31", [2**31, 2**31], "E_SHAPE"), ("wraps to 4", [2**16 + 1, 2**16, 2**16 - 1], "E_SHAPE"), ("rank 9", [1] * 9, "E_LIMIT"),
    ("rank 100000", [1] * 100_000, "E_LIMIT"), ("zero", [0, 2], "E_INTEGRITY|E_SHAPE"), ("other product", [4, 3], "E_INTEGRITY"),
    ("huge", [30_000, 30_000], "E_INTEGRITY|E_LIMIT"),
):  # fmt: skip
    changed(f"L62 shape {name}", codes, "weightsManifest/0/weights/0/shape", value)
QUANT = [
    {
        "name": "d/kernel",
        "shape": [4, 2],
        "dtype": "float32",
        "quantization": {"dtype": "uint8", "scale": 0.1, "min": 0.0},
    },
    BIAS,
]
QDATA = bytes(8) + bytes(8)
for name, value, codes in (
    ("null", None, "E_VALUE|E_UNSUPPORTED"), ("list", [], "E_VALUE|E_UNSUPPORTED"), ("no min", {"dtype": "uint8", "scale": 1.0}, "E_VALUE"),
    ("no scale", {"dtype": "uint8", "min": 0.0}, "E_VALUE"), ("scale 0", {"dtype": "uint8", "scale": 0, "min": 0}, "E_VALUE"),
    ("scale -1", {"dtype": "uint8", "scale": -1, "min": 0}, "E_VALUE"), ("scale text", {"dtype": "uint8", "scale": "1", "min": 0}, "E_VALUE"),
    ("int4", {"dtype": "int4", "scale": 1, "min": 0}, "E_UNSUPPORTED"), ("overflow", {"dtype": "uint16", "scale": 1e38, "min": 0}, "E_VALUE"),
    ("none", {}, "E_UNSUPPORTED|E_VALUE"),
):  # fmt: skip
    weights = copy.deepcopy(QUANT)
    weights[0]["quantization"] = value
    changed(f"L73 quantization {name}", codes, "weightsManifest/0/weights", weights, QDATA, "/quantization")
HALF = [{"name": "d/kernel", "shape": [4, 2], "dtype": "int32", "quantization": {"dtype": "float16"}}, BIAS]
changed("L77 float16 over int32", "E_UNSUPPORTED", "weightsManifest/0/weights", HALF, bytes(24))
ODD = [
    {
        "name": "d/kernel",
        "shape": [4, 2],
        "dtype": "float32",
        "quantization": {"dtype": "uint16", "scale": 1, "min": 0},
    },
    BIAS,
]
changed("L78 odd bytes", "E_INTEGRITY|E_VALUE", "weightsManifest/0/weights", ODD, bytes(23))
put("L80 NaN weight", "E_VALUE", good(), struct.pack("<f", float("nan")) + DATA[4:])
put("L81 infinite weight", "E_VALUE", good(), struct.pack("<f", float("inf")) + DATA[4:])
changed(
    "L83 bool byte",
    "E_VALUE",
    "weightsManifest/0/weights",
    [{"name": "b", "shape": [1], "dtype": "bool"}],
    b"\x02",
)


def topology(name: str, codes: str, *items: dict[str, Any], place: str = "") -> None:
    changed(name, codes, "modelTopology", layers(*items), place=place)


topology("L84 unknown layer", "E_UNSUPPORTED", layer("Dens", units=2), place="/layers/1")
topology("L84 unknown activation", "E_UNSUPPORTED", layer("Dense", units=2, activation="rleu"))
topology(
    "L85 unknown initializer",
    "E_UNSUPPORTED",
    layer("Dense", units=2, kernel_initializer={"class_name": "Foo", "config": {}}),
)
topology(
    "L86 unknown regularizer",
    "E_UNSUPPORTED",
    layer("Dense", units=2, kernel_regularizer={"class_name": "Foo", "config": {}}),
)
WORDS = {
    "class_name": "InputLayer",
    "config": {"name": "x", "batch_input_shape": [None, 1], "dtype": "string"},
}
for name, entry in (
    ("learnt vocabulary", layer("StringLookup")),
    ("numbers as vocabulary", layer("StringLookup", vocabulary=[1, 2])),
    ("text of any length", layer("TextVectorization", vocabulary=["a"])),
    ("own split", layer("TextVectorization", vocabulary=["a"], output_sequence_length=3, split="evil")),
    ("words into Dense", layer("Dense", units=2)),
):
    document = good()
    document["modelTopology"]["model_config"]["config"]["layers"] = [WORDS, entry]
    put(f"L84 {name}", "E_UNSUPPORTED", document, place="/layers/1")
for kind in ("Equalization", "ContrastLimitedAdaptiveHistogramEqualization", "MaxNumBoundingBoxes"):
    topology(f"L84 {kind}", "E_UNSUPPORTED", layer(kind), place="/layers/1 layer 'd'")
topology(
    "L84 a million mel bands",
    "E_VALUE",
    layer("MelSpectrogram", fft_length=4, num_mel_bins=1 << 20),
    place="/layers/1",
)
topology(
    "L84 a frame of a million", "E_VALUE", layer("MelSpectrogram", fft_length=1 << 20), place="/layers/1"
)
EINSUM = {
    "class_name": "TFOpLambda",
    "name": "tf.einsum",
    "config": {"name": "tf.einsum", "function": "einsum"},
    "inbound_nodes": [["_CONSTANT_VALUE", -1, "ij,ij->i", {}]],
}
ENTRY = {"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_input_shape": [None, 4]}, "inbound_nodes": []}  # fmt: skip
changed(
    "L84 einsum as tf_keras writes it, without its tensors", "E_UNSUPPORTED", "modelTopology/model_config",
    {"class_name": "Functional", "config": {"name": "m", "layers": [ENTRY, EINSUM], "input_layers": [["x", 0, 0]],
                                            "output_layers": [["tf.einsum", 0, 0]]}},
    place="/layers/1/inbound_nodes/0",
)  # fmt: skip
changed("L87 version", "E_UNSUPPORTED", "modelTopology/keras_version", 3)
changed("L87 format", "E_UNSUPPORTED", "format", "tflite")
topology("L88 Lambda", "E_POLICY", layer("Lambda", function="evil"))
topology("L88 TFOpLambda", "E_POLICY", layer("TFOpLambda", function="io.read_file"))
topology("L89 module", "E_POLICY", {**layer("Dense", units=2), "module": "os"})
topology("L89 class with dots", "E_POLICY", layer("os.system", units=2))
topology("L89 activation with dots", "E_POLICY", layer("Dense", units=2, activation="os.system"))
for value in (0, -2, 400_000_000, 3.7, "2", True, None, [2]):
    topology(f"L91 units {value}", "E_SHAPE|E_VALUE", layer("Dense", units=value))
IMAGE = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 5, 5, 4]}}


def image(name: str, codes: str, item: dict[str, Any]) -> None:
    document = good()
    document["modelTopology"]["model_config"]["config"]["layers"] = [IMAGE, item]
    put(name, codes, document)


CONV: Any = {"filters": 2, "kernel_size": 2}
for key in ("strides", "dilation_rate", "kernel_size"):
    image(f"L92 {key} 0", "E_SHAPE|E_VALUE", layer("Conv2D", **{**CONV, key: 0}))
image("L93 groups 3", "E_SHAPE|E_VALUE", layer("Conv2D", filters=2, kernel_size=2, groups=3))
image("L93 groups 0", "E_SHAPE|E_VALUE", layer("Conv2D", filters=2, kernel_size=2, groups=0))
image("L94 kernel too large", "E_SHAPE", layer("MaxPooling2D", pool_size=9))
image("L95 axis", "E_SHAPE|E_VALUE", layer("BatchNormalization", axis=7))
topology("L96 reshape", "E_SHAPE", layer("Reshape", target_shape=[3]))
for value in (1.0, -0.1, "x"):
    topology(f"L97 rate {value}", "E_SHAPE|E_VALUE", layer("Dropout", rate=value))


def functional(name: str, codes: str, change: Callable[[dict[str, Any]], None], place: str = "") -> None:
    one = {
        "class_name": "Dense",
        "name": "d",
        "config": {"name": "d", "units": 2},
        "inbound_nodes": [[["x", 0, 0, {}]]],
    }
    entry = {
        "class_name": "InputLayer",
        "name": "x",
        "config": {"name": "x", "batch_input_shape": [None, 4]},
        "inbound_nodes": [],
    }
    config = {
        "name": "m",
        "layers": [entry, one],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["d", 0, 0]],
    }
    change(config)
    document = good()
    document["modelTopology"] = {"model_config": {"class_name": "Functional", "config": config}}
    put(name, codes, document, place=place)


functional("L98 dangling", "E_GRAPH", lambda c: c["layers"][1].update(inbound_nodes=[[["nobody", 0, 0, {}]]]))
functional("L99 node index", "E_GRAPH", lambda c: c.update(output_layers=[["d", 7, 0]]))
functional("L99 tensor index", "E_GRAPH", lambda c: c.update(output_layers=[["d", 0, 7]]))
functional("L101 self loop", "E_GRAPH", lambda c: c["layers"][1].update(inbound_nodes=[[["d", 0, 0, {}]]]))


def _cycle(config: dict[str, Any]) -> None:
    config["layers"].append({**config["layers"][1], "name": "e", "inbound_nodes": [[["d", 0, 0, {}]]]})
    config["layers"][1] = {**config["layers"][1], "inbound_nodes": [[["e", 0, 0, {}]]]}


functional("L100 cycle", "E_GRAPH", _cycle)
functional("L102 layer twice", "E_GRAPH", lambda c: c["layers"].append(c["layers"][1]))
functional("L103 no outputs", "E_GRAPH", lambda c: c.update(output_layers=[]))
functional("L103 unknown output", "E_GRAPH", lambda c: c.update(output_layers=[["nobody", 0, 0]]))
NEST: Any = layer("Dense", units=2)
for _ in range(30):
    NEST = {"class_name": "Sequential", "config": {"name": "n", "layers": [NEST]}}
topology("L104 nested models", "E_LIMIT|E_GRAPH", NEST)
topology("L105 many layers", "E_LIMIT", *[layer("Dropout", f"l{i}", rate=0) for i in range(25_000)])
topology("L106 two shapes", "E_GRAPH|E_SHAPE", layer("Dense", units=3))
changed(
    "L107 missing weight",
    "E_GRAPH",
    "weightsManifest/0/weights",
    [{"name": "x", "shape": [10], "dtype": "float32"}],
)


def graph(name: str, codes: str, *nodes: dict[str, Any], place: str = "", **more: Any) -> None:
    x = {
        "name": "x",
        "op": "Placeholder",
        "attr": {"dtype": {"type": "DT_FLOAT"}, "shape": {"shape": {"dim": [{"size": "-1"}, {"size": "4"}]}}},
    }
    document = {
        "format": "graph-model",
        "modelTopology": {"node": [x, *nodes], **more.pop("topology", {})},
        "weightsManifest": [],
        **more,
    }
    put(name, codes, document, place=place)


def node(op: str, name: str = "y", inputs: tuple[str, ...] = ("x",), **attrs: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": attrs}


for name in ("Rleu", "Bitcast", "SparseCross"):
    graph(f"L108 unknown op {name}", "E_UNSUPPORTED", node(name), place="/modelTopology/node/1")
graph("L109 node twice", "E_GRAPH", node("Relu"), node("Relu"))
graph("L110 output index", "E_GRAPH", node("Relu", inputs=("x:99",)))
graph("L110 missing control", "E_GRAPH", node("Relu", inputs=("x", "^missing")))
graph("L110 missing input", "E_GRAPH", node("Relu", inputs=("missing",)))
graph(
    "L111 no constant",
    "E_GRAPH",
    node("Const", "c", (), dtype={"type": "DT_FLOAT"}),
    node("Add", inputs=("x", "c")),
)
graph("L111 bad base64", "E_GRAPH", node("MaxPool", padding={"s": "***"}))
graph("L112 attr type", "E_GRAPH", node("LeakyRelu", alpha={"s": "YQ=="}))
graph("L112 attr list", "E_GRAPH", node("LeakyRelu", alpha=[1]))
graph(
    "L113 dim -2",
    "E_GRAPH",
    {"name": "p", "op": "Placeholder", "attr": {"shape": {"shape": {"dim": [{"size": "-2"}]}}}},
)
graph("L113 cycle", "E_GRAPH", node("Relu", "a", ("b",)), node("Relu", "b", ("a",)))
FUNCTION = {"signature": {"name": "f", "inputArg": [{"name": "a", "type": "DT_FLOAT"}], "outputArg": [{"name": "o", "type": "DT_FLOAT"}]},
            "nodeDef": [{"name": "n", "op": "PartitionedCall", "input": ["a"], "attr": {"f": {"func": {"name": "f"}}}}],
            "ret": {"o": "n:output:0"}}  # fmt: skip
graph(
    "L114 recursion",
    "E_LIMIT|E_GRAPH",
    node("PartitionedCall", f={"func": {"name": "f"}}),
    topology={"library": {"function": [FUNCTION]}},
)
FOREVER = {"signature": {"name": "c", "inputArg": [{"name": "a", "type": "DT_INT32"}], "outputArg": [{"name": "o", "type": "DT_BOOL"}]},
           "nodeDef": [{"name": "n", "op": "Equal", "input": ["a", "a"], "attr": {}}], "ret": {"o": "n:z:0"}}  # fmt: skip
SAME = {"signature": {"name": "b", "inputArg": [{"name": "a", "type": "DT_INT32"}], "outputArg": [{"name": "o", "type": "DT_INT32"}]},
        "nodeDef": [{"name": "n", "op": "Identity", "input": ["a"], "attr": {}}], "ret": {"o": "n:output:0"}}  # fmt: skip
graph("L115 endless loop", "E_LIMIT|E_GRAPH", node("Size", "s"),
      node("StatelessWhile", "w", ("s",), cond={"func": {"name": "c"}}, body={"func": {"name": "b"}}),
      topology={"library": {"function": [FOREVER, SAME]}})  # fmt: skip
BIG = {"modelTopology": {"node": [{"name": "n", "op": "Const", "attr": {"dtype": {"type": "DT_INT32"}}},
                                  {"name": "e", "op": "Const", "attr": {"dtype": {"type": "DT_INT32"}}},
                                  node("TensorListReserve", "l", ("e", "n"), element_dtype={"type": "DT_FLOAT"}),
                                  node("TensorListLength", "y", ("l",))]},
       "format": "graph-model", "weightsManifest": [{"paths": ["w.bin"], "weights": [{"name": "n", "shape": [], "dtype": "int32"}, {"name": "e", "shape": [0], "dtype": "int32"}]}]}  # fmt: skip
put("L116 huge list", "E_LIMIT|E_GRAPH", BIG, struct.pack("<i", 2**31 - 1))
graph(
    "L117 signature",
    "E_GRAPH",
    node("Relu"),
    signature={"inputs": {}, "outputs": {"o": {"name": "absent:0"}}},
)
graph(
    "L117 signature input",
    "E_GRAPH",
    node("Relu"),
    signature={"inputs": {"i": {"name": "absent:0"}}, "outputs": {}},
)
for op in ("ReadFile", "WriteFile", "PyFunc", "EagerPyFunc", "RestoreV2"):
    graph(f"L118 {op}", "E_POLICY", node(op))
