"""The origin behind every proxy: nginx with a small JSON document on a legacy and a new port."""

from __future__ import annotations

import json
from pathlib import Path

from bench.nginx import PREAMBLE, http_block, start_nginx
from bench.processes import OwnedProcess

# About 900 bytes, what a product costs as JSON.
DOCUMENT = json.dumps(
    {
        "sku": "TF-000040",
        "name": "Cordless red drill 18 V",
        "price": {
            "currency": "EUR",
            "net": 11755,
            "gross": 13988,
            "tiers": [[1, 13988], [5, 12990]],
        },
        "stock": {"berlin": 14, "hamburg": 3, "munich": 0, "cologne": 27, "leipzig": 5},
        "rating": {"mean": 4.6, "votes": 318},
        "text": "Brushless motor, two gears, 60 Nm. With two batteries, charger and case. "
        "The keyless chuck takes bits from 1.5 to 13 mm; the lamp stays on for ten seconds. "
        "Spare parts are kept in stock for ten years after the last one was sold.",
        "related": [f"/product/tf-{number:06d}" for number in range(41, 53)],
    }
)


def start_origin(folder: Path, legacy_port: int, new_port: int, core: int | None) -> OwnedProcess:
    """Start the origin; both ports answer every path with the document."""
    servers = "".join(
        f"server {{ listen 127.0.0.1:{port} backlog=4096; keepalive_requests 100000000;"
        f" keepalive_timeout 3600s; default_type application/json;"
        f" add_header X-Origin {name}; location / {{ return 200 '{DOCUMENT}'; }} }}\n"
        for name, port in (("legacy", legacy_port), ("new", new_port))
    )
    return start_nginx("origin", folder, PREAMBLE + http_block(servers), core)
