"""Every error a user can meet: one tree, one stable code per class, always with the place.

An error says where, what came, what was wanted and what to do. The class docstring is the default text.
Over the wire it is `code`, `message`, `detail` (see `as_dict`). Nothing of ours is imported here.
"""

from __future__ import annotations

from typing import Any


class PyEdgeError(Exception):
    """Something went wrong inside py_edge."""

    code = "E_INTERNAL"

    def __init__(
        self, message: str = "", *, where: str = "", got: Any = None, want: Any = None, remedy: str = ""
    ) -> None:
        self.message = message or (type(self).__doc__ or self.code).strip().splitlines()[0]
        self.where = where
        self.got = _short(got)
        self.want = _short(want)
        self.remedy = remedy
        super().__init__(self.message)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        facts = [f"got {self.got}"] if self.got is not None else []
        facts += [f"want {self.want}"] if self.want is not None else []
        tail = f" ({', '.join(facts)})" if facts else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{place}{self.message}{tail}{remedy} [{self.code}]"

    def as_dict(self) -> dict[str, Any]:
        """The same facts as JSON: code, message, where, got, want, remedy; empty ones left out."""
        facts = {"code": self.code, "message": self.message, "where": self.where}
        facts |= {"got": self.got, "want": self.want, "remedy": self.remedy}
        return {key: value for key, value in facts.items() if value not in (None, "")}


def _short(value: Any) -> Any:
    """Keep JSON scalars, shorten the rest: an error must never carry a hostile megabyte."""
    if value is None or isinstance(value, (bool, int, float)):
        return value if not isinstance(value, int) or abs(value) < 1 << 63 else "a huge integer"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


class ModelFormatError(PyEdgeError):
    """The model file cannot be used."""

    code = "E_FORMAT"


class LimitError(ModelFormatError):
    """A size, depth or count is over its limit."""

    code = "E_LIMIT"


class PathError(ModelFormatError):
    """A path inside the model leaves its folder or is not a plain file name."""

    code = "E_PATH"


class IntegrityError(ModelFormatError):
    """Bytes do not have the length or the digest that was promised."""

    code = "E_INTEGRITY"


class RollbackError(ModelFormatError):
    """An older version was offered where a newer one is known."""

    code = "E_ROLLBACK"


class UnsupportedError(ModelFormatError):
    """Well formed, but outside of what is supported."""

    code = "E_UNSUPPORTED"


class ShapeError(ModelFormatError):
    """A shape is not what it must be."""

    code = "E_SHAPE"


class ValueRangeError(ModelFormatError):
    """A value is not a number, not finite, or out of range."""

    code = "E_VALUE"


class GraphError(ModelFormatError):
    """The graph does not hang together."""

    code = "E_GRAPH"


class PolicyError(ModelFormatError):
    """The model asks for something that is never allowed."""

    code = "E_POLICY"


class KernelError(PyEdgeError):
    """A kernel refused its arguments."""

    code = "E_KERNEL"


class CalibrationError(PyEdgeError):
    """The confidence cannot be calibrated from these examples."""

    code = "E_CALIBRATION"


class TrainingError(PyEdgeError):
    """Training stopped; the last good weights are in place."""

    code = "E_TRAINING"


class StorageError(PyEdgeError):
    """The store refused to write; nothing was acknowledged."""

    code = "E_STORAGE"


class ConflictError(PyEdgeError):
    """The same id was used before with other content."""

    code = "E_CONFLICT"


class NotFoundError(PyEdgeError):
    """There is no such thing here."""

    code = "E_NOT_FOUND"


class GoneError(PyEdgeError):
    """It was erased, and does not come back."""

    code = "E_GONE"


class AuthError(PyEdgeError):
    """This caller may not do that."""

    code = "E_AUTH"


class CapacityError(PyEdgeError):
    """Too much at once; try again later."""

    code = "E_CAPACITY"


class NetworkError(PyEdgeError):
    """The other side did not answer, or not in a way that can be understood."""

    code = "E_NETWORK"


class EnvironmentProblem(PyEdgeError):
    """Something that this machine or browser must have is missing."""

    code = "E_ENVIRONMENT"


ERROR_BY_CODE = {
    kind.code: kind
    for kind in (
        PyEdgeError, ModelFormatError, LimitError, PathError, IntegrityError, RollbackError,
        UnsupportedError, ShapeError, ValueRangeError, GraphError, PolicyError, KernelError, CalibrationError,
        TrainingError, StorageError, ConflictError, NotFoundError, GoneError, AuthError, CapacityError, NetworkError,
        EnvironmentProblem,
    )
}  # fmt: skip


def refusal(said: Any, where: str) -> PyEdgeError:
    """The error in a node's problem+json as ours, with its code; NetworkError if the answer is something else."""
    facts = said if isinstance(said, dict) else {}
    kind = ERROR_BY_CODE.get(str(facts.get("code")), NetworkError)
    return kind(
        f"the node refused: {facts.get('detail', 'it does not say why')}", where=str(facts.get("where") or where),
        got=facts.get("got"), want=facts.get("want"), remedy=str(facts.get("remedy") or ""),
    )  # fmt: skip
