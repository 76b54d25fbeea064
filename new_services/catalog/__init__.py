"""catalog: the new service that answers TechFlow's product and category pages, and their JSON.

It keeps its own SQLite database, filled from the shop's, and imports nothing of the proxy.
"""
