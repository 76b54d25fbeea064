"""Flags: who may move traffic right now. Imports nothing of the proxy."""
