"""figway diff: what a change of routes or flags would do, before it is made."""
