"""Putting the pieces together: `make run`, and the containers. Imports nothing of the proxy."""
