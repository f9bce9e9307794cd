"""Structured logs: one JSON object per line on stderr, with the trace of the question it is about."""

from __future__ import annotations

import logging
import sys

from py_edge.fields import canonical_json


class JsonLines(logging.Formatter):
    """`{"at_ms", "event", "level", "logger", "node", …facts}`."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "at_ms": int(record.created * 1000), "level": record.levelname.lower(), "logger": record.name,
            "node": self._node, "event": record.getMessage(), **getattr(record, "facts", {}),
        }  # fmt: skip
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return canonical_json(line).decode()


def log_as_json(node: str) -> None:
    """From now on everything of ours and of the server is a JSON line, questions included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(node))
    for name, level in (("py_edge", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
