"""An Unleash server on this machine: how it is started, and its admin API."""
