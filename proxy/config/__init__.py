"""The door of everything an operator writes: strict YAML to frozen, typed definitions."""
