"""The observer process: sends shadow requests, compares, keeps the evidence."""
