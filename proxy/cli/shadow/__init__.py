"""figway shadow: the evidence for people, and the switch of all shadow traffic."""
