"""What tests of every folder share: servers that are started once, and how hypothesis runs."""

from hypothesis import HealthCheck, settings

from tests.rigs.redis_server import redis_server
from tests.rigs.unleash_server import unleash, unleash_server

__all__ = ["redis_server", "unleash", "unleash_server"]

# How long an example took tells of the machine, not of the property. The first ones of a fresh
# clone are slow as well: hypothesis writes its tables of Unicode then.
settings.register_profile("figway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("figway")
