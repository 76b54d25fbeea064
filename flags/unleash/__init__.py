"""Unleash: its features as rules, what the rules mean, and the provider that fetches them."""
