"""The worker's side of shadow traffic: what is copied, how it is collected and handed over."""
