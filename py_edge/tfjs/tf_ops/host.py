"""Ops whose result sizes depend on data: run in Python between compiled segments, on concrete tensors.

Each row: how inputs and attributes become a function of concrete values. The functions are in host_selection, host_ragged and host_strings.
"""

from __future__ import annotations

from functools import partial

from py_edge.errors import UnsupportedError
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.tf_ops import host_ragged, host_selection, host_strings
from py_edge.tfjs.tf_ops.hashes import fingerprint64, siphash
from py_edge.tfjs.trace import Table, Value


def non_max_suppression(version: int) -> Lower:
    def lower(c: Call) -> list[Value]:
        """V2: indices; V3: with a score threshold; V4: padded, and how many; V5: soft, with scores."""
        limit = c.whole(2)
        iou = c.real(3) if c.n > 3 else 0.5
        score = c.real(4) if c.n > 4 else float("-inf")
        sigma = c.real(5) if c.n > 5 else 0.0
        padded = c.flag("pad_to_max_output_size")
        run = partial(host_selection.non_max_suppression, limit, iou, score, sigma, padded)
        indices, scores, count = c.host(run, [c.id(0), c.id(1)])
        kept: dict[int, list[Value]] = {4: [indices, count], 5: [indices, scores, count]}
        return kept.get(version, [indices])

    return lower


def where(c: Call) -> Value:
    if c.n == 3:
        return c.b.op("select", c.id(0), c.id(1), c.id(2))
    x = c.x if c.dtype() in ("bool", "string") else axes.cast(c.b, c.x, "bool")
    return c.host(host_selection.where, [x])[0]


def unique(c: Call) -> list[Value]:
    axis = c.whole(1) if c.n > 1 and c.b.spec(c.id(1)).size else 0
    return list(c.host(partial(host_selection.unique, axis), [c.x]))


def list_diff(c: Call) -> list[Value]:
    return list(c.host(host_selection.list_diff, c.ids(0, 2)))


def bound(side: str) -> Lower:
    def lower(c: Call) -> Value:
        """Where values would be inserted into sorted rows: a count of comparisons."""
        b = c.b
        rows, values = axes.expand(b, c.id(0), -2), axes.expand(b, c.id(1), -1)
        below = b.op("less" if side == "lower" else "less_equal", rows, values)
        return axes.reduce(b, "sum", axes.cast(b, below, "int32"), [-1])

    return lower


def bucketize(c: Call) -> Value:
    """How many boundaries are at or below each value."""
    b = c.b
    edges = c.trace.constant([float(v) for v in c.row("boundaries")], dtype="float32")
    above = b.op("greater_equal", axes.expand(b, axes.cast(b, c.x, "float32"), -1), edges)
    return axes.reduce(b, "sum", axes.cast(b, above, "int32"), [-1])


def top_k(c: Call) -> list[Value]:
    k = c.whole(1) if c.n > 1 else c.typed("k", int, 1)
    return list(c.b.ops("top_k", c.x, k=k))


# sparse and ragged


def sparse(name: str) -> Lower:
    def lower(c: Call) -> list[Value]:
        return list(c.host(getattr(host_ragged, name), c.ids()))

    return lower


def ragged_gather(c: Call) -> list[Value]:
    """nested splits..., values, indices -> nested splits..., values."""
    nested = c.typed("PARAMS_RAGGED_RANK", int, c.n - 2)
    return list(c.host(partial(host_ragged.ragged_gather, nested), c.ids()))


def ragged_to_tensor(c: Call) -> Value:
    types = tuple(c.row("row_partition_types"))
    return c.host(partial(host_ragged.ragged_to_tensor, types), c.ids())[0]


# strings


def string_split(c: Call) -> list[Value]:
    return list(c.host(partial(host_strings.string_split, c.flag("skip_empty", True)), c.ids(0, 2)))


def string_ngrams(c: Call) -> list[Value]:
    widths = tuple(int(w) for w in c.row("ngram_widths"))
    run = partial(
        host_strings.string_ngrams, c.word("separator").encode(), widths, c.word("left_pad").encode(),
        c.word("right_pad").encode(), c.typed("pad_width", int, 0), c.flag("preserve_short_sequences"),
    )  # fmt: skip
    return list(c.host(run, c.ids(0, 2)))


def regex_replace(c: Call) -> Value:
    pattern = host_strings.compile_pattern(c.word("pattern"), c.node.where)
    run = partial(host_strings.regex_replace, pattern, c.word("rewrite"), c.flag("replace_global", True))
    return c.host(run, [c.x])[0]


def hash_bucket(c: Call) -> Value:
    """FarmHash, or SipHash where a key is given."""
    key = c.row("key")
    hash_ = partial(siphash, key0=int(key[0]), key1=int(key[1])) if len(key) == 2 else fingerprint64
    return c.host(partial(host_strings.hash_bucket, c.typed("num_buckets", int, 1), hash_), [c.x])[0]


def as_string(c: Call) -> Value:
    if c.dtype() != "int32":
        raise UnsupportedError("other than whole numbers as text", where=c.node.where, got=c.dtype())
    return c.host(host_strings.as_string, [c.x])[0]


# hash tables


def _table(c: Call) -> Table:
    value = c.values[0]
    if not isinstance(value, Table):
        raise UnsupportedError("a hash table is wanted", where=c.node.where, got=type(value).__name__)
    return value


def hash_table(c: Call) -> Value:
    """The same table for the same shared name, in the initialiser and in the model."""
    name = c.word("shared_name") or c.node.name
    tables = c.trace.shared.tables
    if name not in tables and c.node.name in tables:
        name = c.node.name
    return tables.setdefault(name, Table())


def table_import(c: Call) -> list[Value]:
    table = _table(c)
    table.entries.update(zip(c.trace.known(c.id(1)), c.trace.known(c.id(2)), strict=True))
    return []


def table_find(c: Call) -> Value:
    table = _table(c)
    default = c.trace.known(c.id(2))[0]
    run = partial(host_strings.table_find, table.entries, default, c.dtype(2))
    return c.host(run, [c.id(1)])[0]


def table_size(c: Call) -> Value:
    return c.trace.constant([len(_table(c).entries)], ())


ROWS: dict[str, Lower] = {
    **{f"NonMaxSuppressionV{v}": non_max_suppression(v) for v in (2, 3, 4, 5)}, "Where": where, "ListDiff": list_diff,
    "Unique": unique, "UniqueV2": unique, "Bucketize": bucketize, "LowerBound": bound("lower"), "UpperBound": bound("upper"), "TopKV2": top_k,
    "TopK": top_k, "SparseFillEmptyRows": sparse("sparse_fill_empty_rows"), "SparseReshape": sparse("sparse_reshape"),
    "SparseSegmentMean": sparse("sparse_segment_mean"), "SparseSegmentSum": sparse("sparse_segment_sum"),
    "RaggedGather": ragged_gather, "RaggedRange": sparse("ragged_range"), "RaggedTensorToTensor": ragged_to_tensor,
    "StringSplit": string_split, "StringNGrams": string_ngrams, "StaticRegexReplace": regex_replace,
    "StringToHashBucketFast": hash_bucket, "_TensorToHashBucketFast": hash_bucket,
    "StringToHashBucketStrong": hash_bucket, "AsString": as_string, "HashTable": hash_table, "HashTableV2": hash_table,
    "LookupTableImport": table_import, "LookupTableImportV2": table_import, "InitializeTable": table_import,
    "InitializeTableV2": table_import, "LookupTableFind": table_find, "LookupTableFindV2": table_find,
    "LookupTableSize": table_size, "LookupTableSizeV2": table_size,
}  # fmt: skip
