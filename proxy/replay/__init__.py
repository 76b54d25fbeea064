"""Replay: the requests of an access log, put through two versions of the routes again."""
