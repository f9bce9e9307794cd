"""The slow truth of what reads and writes at places: slice, gather and its transpose; numpy."""

from __future__ import annotations

import numpy as np

from py_edge.errors import KernelError
from py_edge.kernels.reference_elementwise import Array, Attrs


def slice_(x: Array, attrs: Attrs) -> Array:
    strides = attrs.get("strides") or (1,) * x.ndim
    for axis, (begin, size, stride) in enumerate(zip(attrs["begin"], attrs["size"], strides, strict=True)):
        x = np.take(x, begin + stride * np.arange(size, dtype=int), axis)
    return x


def gather(x: Array, indices: Array, attrs: Attrs) -> Array:
    """attrs axis, batch_dims, clip: an index outside gives zeros instead of an error."""
    batch, axis = attrs.get("batch_dims", 0), attrs["axis"] % x.ndim
    if batch:
        own = {**attrs, "batch_dims": batch - 1, "axis": axis - 1}
        return np.stack([gather(x[i], indices[i], own) for i in range(x.shape[0])])
    outside = (indices < 0) | (indices >= x.shape[axis])
    if outside.any() and not attrs.get("clip"):
        raise KernelError("an index is outside of its axis", where="gather", want=f"0..{x.shape[axis] - 1}")
    y = (
        np.take(x, np.where(outside, 0, indices), axis)
        if x.shape[axis]
        else np.zeros(x.shape[:axis] + indices.shape + x.shape[axis + 1 :], x.dtype)
    )
    mask = outside.reshape((1,) * axis + indices.shape + (1,) * (x.ndim - axis - 1))
    return np.where(mask, np.zeros((), x.dtype), y)


def scatter_add(u: Array, indices: Array, attrs: Attrs) -> Array:
    """The transpose of gather: zeros of attrs shape, rows of u added at indices along axis."""
    shape, batch = tuple(attrs["shape"]), attrs.get("batch_dims", 0)
    axis = attrs["axis"] % len(shape)
    y = np.zeros(shape, u.dtype)
    if batch:
        own = {**attrs, "batch_dims": batch - 1, "axis": axis - 1, "shape": shape[1:]}
        for i in range(shape[0]):
            y[i] = scatter_add(u[i], indices[i], own)
        return y
    inside = (indices >= 0) & (indices < shape[axis])
    if not inside.all() and not attrs.get("clip"):
        raise KernelError(
            "an index is outside of its axis", where="scatter_add", want=f"0..{shape[axis] - 1}"
        )
    rows = np.moveaxis(u.reshape(*shape[:axis], indices.size, *shape[axis + 1 :]), axis, 0)
    np.add.at(np.moveaxis(y, axis, 0), indices.ravel()[inside.ravel()], rows[inside.ravel()])
    return y
