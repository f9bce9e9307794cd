"""Rehearsal memory: a class-balanced reservoir of a few hundred past examples, each with the logits it got when stored.

Sampling: Chrysakis and Moens 2020, Online Continual Learning from Imbalanced Data (CBRS): while there is room everything is
kept; then a newcomer of a class that is not the largest replaces a random item of the largest, a newcomer of a class that
once was the largest replaces one of its own with probability stored / seen. Logits serve DER++ (Buzzega et al. 2020).
Packed: 8 or 4 bits per input element and per logit, one scale each per item; exact for inputs of at most 256 or 16 levels.
With 4 bits twice as many items go into the same bytes, which mostly weighs more than the coarser steps.
"""

from __future__ import annotations

import json
import random
import struct
from array import array
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from py_edge.errors import IntegrityError, ShapeError, ValueRangeError
from py_edge.tensor import Tensor, count


@dataclass(frozen=True, slots=True)
class Item:
    """x: packed input rows, by input order; label: class; logits: packed, of the classes in `known`, a bit per class.

    A class that nobody had seen when the item was stored has no logit worth keeping: it would hold new classes down.
    """

    x: tuple[bytes, ...]
    label: int
    logits: bytes = b""
    known: int = 0

    @property
    def nbytes(self) -> int:
        return sum(map(len, self.x)) + 2 + len(self.logits) + -(-self.known.bit_length() // 8)


def pack(values: Sequence[float], scale: str = "f", bits: int = 8) -> bytes:
    """Floats as low and step (both of struct's format `scale`) and `bits` each, 8 or 4; of two in a byte the first is low."""
    low, high, most = min(values, default=0.0), max(values, default=0.0), (1 << bits) - 1
    if not (low - low == 0.0 and high - high == 0.0):
        raise ValueRangeError("a stored example must be finite")
    step = (high - low) / most or 1.0
    head = struct.pack(f"<2{scale}", low, step)
    low, step = struct.unpack(f"<2{scale}", head)
    levels = bytes(min(most, max(0, round((v - low) / step))) if step else 0 for v in values)
    if bits == 4:
        levels = bytes(a | b << 4 for a, b in zip_longest(levels[::2], levels[1::2], fillvalue=0))
    return head + levels


def unpack(data: bytes, scale: str = "f", bits: int = 8) -> list[float]:
    """What `pack` was given; with 4 bits and an odd number of values, one more at the end."""
    low, step = struct.unpack_from(f"<2{scale}", data)
    levels = data[struct.calcsize(f"<2{scale}") :]
    if bits == 4:
        return [low + step * level for byte in levels for level in (byte & 15, byte >> 4)]
    return [low + step * byte for byte in levels]


class Reservoir:
    """At most `capacity` items over all classes, `bits` (8 or 4) for each of their numbers.

    `shapes` are the inputs' shapes without the batch axis, set by the first add.
    """

    def __init__(self, capacity: int = 200, seed: int = 0, bits: int = 8) -> None:
        if capacity < 1:
            raise ValueRangeError("a memory holds at least one item", got=capacity)
        if bits not in (4, 8):
            raise ValueRangeError("bits of a remembered number", got=bits, want="4 or 8")
        self.bits = bits
        self.capacity = capacity
        self.items: list[Item] = []
        self.seen: Counter[int] = Counter()
        self.once_largest: set[int] = set()
        self.shapes: tuple[tuple[int, ...], ...] = ()
        self._counts: Counter[int] = Counter()
        self._random = random.Random(seed)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def nbytes(self) -> int:
        return sum(item.nbytes for item in self.items)

    def counts(self) -> Counter[int]:
        """Items per class."""
        return Counter({label: n for label, n in self._counts.items() if n})

    def add(self, x: Sequence[Tensor], label: int, logits: Sequence[float] = ()) -> bool:
        """x: one tensor per input, without batch axis. Returns whether it was kept.

        Raises ShapeError: another shape than the first one's.
        """
        shapes = tuple(t.shape for t in x)
        self.shapes = self.shapes or shapes
        if shapes != self.shapes:
            raise ShapeError("another shape than what is remembered", got=shapes, want=self.shapes)
        self.seen[label] += 1
        place = self._place(label)
        if place is None:
            return False
        own = [value for c, value in enumerate(logits) if c in self.seen]
        known = sum(1 << c for c in range(len(logits)) if c in self.seen)
        packed = tuple(pack(t.flat.tolist(), "f", self.bits) for t in x)
        item = Item(packed, label, pack(own, "e", self.bits) if own else b"", known)
        if place == len(self.items):
            self.items.append(item)
        else:
            self._counts[self.items[place].label] -= 1
            self.items[place] = item
        self._counts[label] += 1
        if len(self.items) == self.capacity:
            most = max(self._counts.values())
            self.once_largest.update(c for c, n in self._counts.items() if n == most)
        return True

    def _place(self, label: int) -> int | None:
        """Where a newcomer of this class goes: the end, the place of a victim, or nowhere."""
        if len(self.items) < self.capacity:
            return len(self.items)
        most = max(self._counts.values())
        if label not in self.once_largest or self._counts[label] < most:
            victims = [i for i, old in enumerate(self.items) if self._counts[old.label] == most]
        elif self._random.random() < self._counts[label] / self.seen[label]:
            victims = [i for i, old in enumerate(self.items) if old.label == label]
        else:
            return None
        return self._random.choice(victims)

    def tensors(self) -> list[Tensor]:
        """Per input, all items as one tensor (items, ...)."""
        found = []
        for position, shape in enumerate(self.shapes):
            flat = array("f")
            for item in self.items:
                flat.extend(unpack(item.x[position], "f", self.bits)[: count(shape)])
            found.append(Tensor(memoryview(flat.tobytes()), (len(self.items), *shape), "float32"))
        return found

    def logits(self, classes: int) -> tuple[Tensor, Tensor]:
        """Stored logits and 1.0 where there is one, both (items, classes)."""
        rows, weights = array("f"), array("f")
        for item in self.items:
            values = iter(unpack(item.logits, "e", self.bits) if item.logits else [])
            known = [bool(item.known >> c & 1) for c in range(classes)]
            rows.extend(next(values, 0.0) if there else 0.0 for there in known)
            weights.extend(map(float, known))
        shape = (len(self.items), classes)
        return Tensor(memoryview(rows.tobytes()), shape, "float32"), Tensor(
            memoryview(weights.tobytes()), shape, "float32"
        )

    def state(self) -> bytes:
        """Everything, its randomness too, as JSON."""
        version, internal, gauss = self._random.getstate()
        items = [
            [
                *(b64encode(x).decode() for x in item.x),
                item.label,
                b64encode(item.logits).decode(),
                item.known,
            ]
            for item in self.items
        ]
        return json.dumps({
            "capacity": self.capacity, "bits": self.bits, "shapes": self.shapes, "seen": list(self.seen.items()), "items": items,
            "once_largest": sorted(self.once_largest), "random": [version, internal, gauss],
        }).encode()  # fmt: skip

    @classmethod
    def restore(cls, data: bytes) -> Reservoir:
        """Raises IntegrityError: not what `state` gave."""
        try:
            raw: Mapping[str, Any] = json.loads(data)
            memory = cls(raw["capacity"], bits=raw.get("bits", 8))
            memory.shapes = tuple(tuple(s) for s in raw["shapes"])
            memory.seen = Counter({int(c): int(n) for c, n in raw["seen"]})
            memory.once_largest = set(raw["once_largest"])
            sizes = [8 + -(-count(s) * memory.bits // 8) for s in memory.shapes]
            for *x, label, logits, known in raw["items"]:
                packed = tuple(b64decode(part) for part in x)
                if [len(part) for part in packed] != sizes:
                    raise ValueError("an item has another size")
                memory.items.append(Item(packed, int(label), b64decode(logits), int(known)))
            memory._counts = Counter(item.label for item in memory.items)
            version, internal, gauss = raw["random"]
            memory._random.setstate((version, tuple(internal), gauss))
        except (ValueError, KeyError, TypeError, ValueRangeError) as error:
            raise IntegrityError("this is no rehearsal memory", where="rehearsal") from error
        return memory
