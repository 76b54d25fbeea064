"""The fleet: what replicas share, who confirmed it, and where they differ."""
