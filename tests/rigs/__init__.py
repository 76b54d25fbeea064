"""Rigs: clients, origins and faults that speak exact bytes, for tests of what goes over the wire."""
