"""Rigs: clients, origins and faults that speak exact bytes, to test what goes over the wire."""
