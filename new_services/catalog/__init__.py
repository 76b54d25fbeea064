"""catalog: the new service for TechFlow's product, category and search pages, and their JSON.

It keeps its own SQLite database, filled from the shop's, and imports nothing of the proxy.
"""
