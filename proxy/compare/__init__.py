"""Comparison: two answers in, their differences and causes out. Pure, linear in time."""
