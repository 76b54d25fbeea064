"""The control plane beside the admin listener: workers, state, switches and their record."""
