"""What happens to questions, told to the log of the program; silent unless somebody listens."""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import Any

logger = logging.getLogger("py_edge.chain")


def listened_to() -> bool:
    """Whether it is worth finding out more."""
    return logger.isEnabledFor(logging.INFO)


def tell(event: str, **facts: Any) -> None:
    """One event with its facts."""
    if listened_to():
        logger.info(event, extra={"facts": facts})


def trace_for(question_id: str) -> str:
    """The trace of a question whose device made none: the same wherever it is asked for."""
    return sha256(question_id.encode()).hexdigest()[:16]
