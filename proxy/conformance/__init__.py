"""Conformance: cases that both sides must answer alike, sent, compared and recorded. For CI."""
