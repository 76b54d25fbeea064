"""What tests of every folder share: servers that are started once, and how hypothesis runs."""

import os
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.database import (
    DirectoryBasedExampleDatabase,
    ExampleDatabase,
    InMemoryExampleDatabase,
)

from tests.rigs.redis_server import redis_server
from tests.rigs.unleash_server import unleash, unleash_server

__all__ = ["redis_server", "unleash", "unleash_server"]

EXAMPLES = Path(__file__).resolve().parents[1] / ".hypothesis" / "examples"


def examples() -> ExampleDatabase:
    """Where examples that failed are kept; nowhere in a tree that is not ours to write to."""
    try:
        EXAMPLES.mkdir(parents=True, exist_ok=True)
    except OSError:
        return InMemoryExampleDatabase()
    if not os.access(EXAMPLES, os.W_OK):
        return InMemoryExampleDatabase()
    return DirectoryBasedExampleDatabase(EXAMPLES)


# How long an example took tells of the machine, not of the property. The first ones of a fresh
# clone are slow as well: hypothesis writes its tables of Unicode then.
settings.register_profile(
    "figway",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=examples(),
)
settings.load_profile("figway")
