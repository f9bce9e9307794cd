"""Real nodes for the scenarios of the chain, as in tests/node."""

from tests.node.conftest import start

__all__ = ["start"]
