"""A real PostgreSQL, as in tests/storage."""

from tests.storage.conftest import postgres

__all__ = ["postgres"]
