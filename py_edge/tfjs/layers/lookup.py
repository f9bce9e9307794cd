"""Layers that look tokens up: words and whole numbers to places in a vocabulary or to hash buckets.

Words and hashes are steps in Python between compiled segments, see session.py. The vocabulary stands in the config;
one that Keras learnt with adapt() is not in a layers-model, and is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from py_edge.errors import ShapeError, UnsupportedError, ValueRangeError
from py_edge.graph import Spec
from py_edge.tensor import Tensor
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.layers.call import Call, Lower
from py_edge.tfjs.tf_ops import hashes
from py_edge.tfjs.weights import Strings

_PUNCTUATION = re.compile(rb"[!\"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']")
_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
Token = bytes | int


def _step(c: Call, function: Callable[[list[Any]], list[Any]], inputs: Sequence[int], spec: Spec) -> int:
    return c.b.op("host", *inputs, function=function, outputs=(spec,))


def _tokens(x: Any) -> Sequence[Token]:
    """The elements of concrete strings or whole numbers."""
    return x.values if isinstance(x, Strings) else [int(v) for v in x.flat]


def encoded(c: Call, tokens: int, depth: int, mode: str, weights: Sequence[float] = ()) -> int:
    """Whole numbers as one_hot, multi_hot, count or tf_idf vectors of `depth`."""
    b = c.b
    if mode == "one_hot":
        tokens = axes.squeeze(b, tokens, [-1]) if b.rank(tokens) > 1 and b.shape(tokens)[-1] == 1 else tokens
        return axes.cast(b, axes.one_hot(b, tokens, depth), "float32")
    tokens = axes.expand(b, tokens, -1) if b.rank(tokens) == 1 else tokens
    hot = axes.cast(b, axes.one_hot(b, tokens, depth), "float32")
    given = c.argument("count_weights", 1)
    if mode == "count" and hasattr(given, "id"):
        hot = b.op("mul", hot, axes.expand(b, axes.cast(b, given.id, "float32"), -1))
    y = axes.reduce(b, "max" if mode == "multi_hot" else "sum", hot, [-2])
    return b.op("mul", y, b.constant(Tensor.from_flat(weights, (depth,)))) if mode == "tf_idf" else y


def _mode(c: Call) -> str:
    renamed = {"binary": "multi_hot", "tf-idf": "tf_idf"}
    mode = c.get("output_mode", default="int")
    if c.flag("sparse") or c.flag("ragged"):
        raise UnsupportedError("sparse and ragged outputs", where=c.where)
    if (plain := renamed.get(mode, mode)) not in _MODES:
        raise UnsupportedError("config `output_mode`", where=c.where, got=mode, want=list(_MODES))
    return str(plain)


class Vocabulary:
    """places: token -> index; oov: how many indices stand for the unknown, from `start` on; depth: all indices."""

    def __init__(self, c: Call, kind: type, mode: str) -> None:
        words, self.oov = c.get("vocabulary", default=[]), c.whole("num_oov_indices", 1, low=0)
        if not isinstance(words, list) or not words or any(type(word) is not kind for word in words):
            what = "words" if kind is str else "whole numbers"
            raise UnsupportedError(
                f"no vocabulary of {what} in the config", where=c.where,
                remedy="give the layer its vocabulary when it is made, or convert the SavedModel to a graph-model",
            )  # fmt: skip
        mask = c.config.get("mask_token", "" if c.kind == "TextVectorization" else None)
        unknown = c.get("oov_token", default="[UNK]" if kind is str else -1)
        words = [word for i, word in enumerate(words) if i > self.oov or word not in (mask, unknown)]
        self.mask = mask if mode == "int" else None
        self.hidden, self.unknown = mask, unknown
        self.start = int(self.mask is not None)
        self.words = words
        self.first = self.start + self.oov
        self.depth = self.first + len(words)
        self.where = c.where

    def places(self) -> dict[Token, int]:
        found = {_key(word): self.first + i for i, word in enumerate(self.words)}
        return found if self.mask is None else {**found, _key(self.mask): 0}

    def weights(self, c: Call, depth: int) -> list[float]:
        """Inverse document frequencies; the unknown have the average."""
        given = c.get("idf_weights", default=[])
        if not isinstance(given, list) or len(given) not in (len(self.words), len(self.words) + self.oov):
            raise UnsupportedError("no idf_weights for the vocabulary", where=c.where)
        front = [sum(given) / len(given)] * self.oov if len(given) == len(self.words) else []
        return [*front, *given, *[0.0] * (depth - len(front) - len(given))]


def _key(word: str | int) -> Token:
    return word.encode() if isinstance(word, str) else word


def _find(places: Mapping[Token, int], vocabulary: Vocabulary, token: Token) -> int:
    if token in places:
        return places[token]
    if not vocabulary.oov:
        raise ValueRangeError(
            "a token outside of the vocabulary", where=vocabulary.where, got=str(token)[:60]
        )
    if vocabulary.oov == 1:
        return vocabulary.start
    bucket = token if isinstance(token, int) else hashes.fingerprint64(token)
    return vocabulary.start + bucket % vocabulary.oov


def _look_up(places: Mapping[Token, int], vocabulary: Vocabulary, inputs: list[Any]) -> list[Any]:
    x = inputs[0]
    return [Tensor.from_flat([_find(places, vocabulary, t) for t in _tokens(x)], x.shape, "int32")]


def _depth(c: Call, vocabulary: Vocabulary) -> int:
    return c.whole("max_tokens") if c.flag("pad_to_max_tokens") else vocabulary.depth


def lookup(kind: type) -> Lower:
    def lower(c: Call) -> int:
        """StringLookup and IntegerLookup; with `invert` from places to tokens."""
        mode = _mode(c)
        vocabulary = Vocabulary(c, kind, mode)
        x = c.x if c.b.dtype(c.x) == "string" else axes.cast(c.b, c.x, "int32")
        if c.flag("invert"):
            return _inverted(c, vocabulary, x, kind)
        function = partial(_look_up, vocabulary.places(), vocabulary)
        index = _step(c, function, [x], Spec(c.b.shape(x), "int32"))
        depth = _depth(c, vocabulary)
        weights = vocabulary.weights(c, depth) if mode == "tf_idf" else ()
        return index if mode == "int" else encoded(c, index, depth, mode, weights)

    return lower


def _inverted(c: Call, vocabulary: Vocabulary, x: int, kind: type) -> int:
    words = {vocabulary.first + i: word for i, word in enumerate(vocabulary.words)}
    if vocabulary.mask is not None:
        words[0] = vocabulary.mask

    def run(inputs: list[Any]) -> list[Any]:
        found = [words.get(int(i), vocabulary.unknown) for i in inputs[0].flat]
        if kind is str:
            return [Strings(tuple(str(word).encode() for word in found), inputs[0].shape)]
        return [Tensor.from_flat(found, inputs[0].shape, "int32")]

    return _step(c, run, [x], Spec(c.b.shape(x), "string" if kind is str else "int32"))


# hashes


def hashing(c: Call) -> int:
    """FarmHash of the token as text, or SipHash with a salt; bucket 0 is kept for the mask value."""
    mode, bins, mask, salt = _mode(c), c.whole("num_bins"), c.get("mask_value"), c.get("salt")
    x = c.x if c.b.dtype(c.x) == "string" else axes.cast(c.b, c.x, "int32")
    key = None if salt is None else (salt, salt) if isinstance(salt, int) else tuple(salt)
    kept = mask is not None and bins > 1
    hidden = _key(mask) if kept else None

    def bucket(token: Token) -> int:
        if kept and token == hidden:
            return 0
        text = token if isinstance(token, bytes) else str(token).encode()
        code = hashes.fingerprint64(text) if key is None else hashes.siphash(text, *key)
        return code % (bins - kept) + kept

    def run(inputs: list[Any]) -> list[Any]:
        return [Tensor.from_flat([bucket(t) for t in _tokens(inputs[0])], inputs[0].shape, "int32")]

    index = _step(c, run, [x], Spec(c.b.shape(x), "int32"))
    return index if mode == "int" else encoded(c, index, bins, mode)


def hashed_crossing(c: Call) -> int:
    """The bucket of a row's tokens together: TensorFlow's SparseCross, fingerprints joined one by one."""
    mode, bins = _mode(c), c.whole("num_bins")
    if len(c.xs) < 2 or len({c.b.shape(x) for x in c.xs}) > 1:
        raise ShapeError("crossing wants at least two inputs of one shape", where=c.where, got=len(c.xs))

    def run(inputs: list[Any]) -> list[Any]:
        rows = zip(*(_tokens(x) for x in inputs), strict=True)
        return [Tensor.from_flat([hashes.crossed(row) % bins for row in rows], inputs[0].shape, "int32")]

    index = _step(c, run, c.xs, Spec(c.shape, "int32"))
    return index if mode == "int" else encoded(c, index, bins, mode)


# text


def text_vectorization(c: Call) -> int:
    """Lower case, no punctuation, words, n-grams; then places cut or padded to one length, or counts."""
    mode = _mode(c)
    vocabulary, length = Vocabulary(c, str, mode), c.get("output_sequence_length")
    standardize = c.config.get("standardize", "lower_and_strip_punctuation")
    split = c.config.get("split", "whitespace")
    if standardize not in (None, "lower", "strip_punctuation", "lower_and_strip_punctuation"):
        raise UnsupportedError("config `standardize`", where=c.where, got=standardize)
    if split not in ("whitespace", "character"):
        raise UnsupportedError("config `split`", where=c.where, got=split, want="whitespace or character")
    if mode == "int" and not isinstance(length, int):
        raise UnsupportedError(
            "the length of the longest text decides the shape", where=c.where, remedy="give output_sequence_length"
        )  # fmt: skip
    rows = c.shape[0]
    if c.rank > 2 or (c.rank == 2 and c.shape[-1] != 1) or c.b.dtype(c.x) != "string":
        raise ShapeError("one text per example", where=c.where, got=c.shape)
    grams = c.get("ngrams")
    widths = tuple(range(1, grams + 1)) if isinstance(grams, int) else tuple(grams or ())
    places, depth = vocabulary.places(), _depth(c, vocabulary)
    weights = vocabulary.weights(c, depth) if mode == "tf_idf" else [1.0] * depth

    def run(inputs: list[Any]) -> list[Any]:
        found = [
            [_find(places, vocabulary, word) for word in words_of(text, standardize, split, widths)]
            for text in inputs[0].values
        ]
        if mode == "int":
            flat = [v for row in found for v in [*row[:length], *[0] * (length - len(row))]]
            return [Tensor.from_flat(flat, (rows, length), "int32")]
        most = 1 if mode == "multi_hot" else len(max(found, key=len, default=[]))
        counts = [min(row.count(i), most) * weights[i] for row in found for i in range(depth)]
        return [Tensor.from_flat(counts, (rows, depth))]

    spec = Spec((rows, length), "int32") if mode == "int" else Spec((rows, depth), "float32")
    return _step(c, run, [c.x], spec)


def words_of(text: bytes, standardize: str | None, split: str, widths: Sequence[int]) -> list[bytes]:
    """The tokens of one text as Keras cuts it: ASCII lower case, ASCII punctuation."""
    if standardize in ("lower", "lower_and_strip_punctuation"):
        text = text.lower()
    if standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
        text = _PUNCTUATION.sub(b"", text)
    words = text.split() if split == "whitespace" else [ch.encode() for ch in text.decode(errors="replace")]
    if not widths:
        return words
    return [b" ".join(words[i : i + n]) for n in widths for i in range(len(words) - n + 1)]


ROWS: dict[str, Lower] = {
    "StringLookup": lookup(str), "Hashing": hashing, "HashedCrossing": hashed_crossing,
    "TextVectorization": text_vectorization,
}  # fmt: skip
