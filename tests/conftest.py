"""Servers that tests of every folder share: each is started once, whoever asks first."""

from tests.rigs.redis_server import redis_server
from tests.rigs.unleash_server import unleash, unleash_server

__all__ = ["redis_server", "unleash", "unleash_server"]
