"""Live nodes, as the tests of the node start them."""

from tests.node.conftest import start

__all__ = ["start"]
