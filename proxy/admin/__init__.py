"""The admin listener: JSON API, metrics and probes, for operators and never for clients."""
