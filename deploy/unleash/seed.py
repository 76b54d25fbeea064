"""What an empty Unleash is given for the shop: Figway's flags, and webhooks to the replicas.

As a program (deploy/compose.yaml) it reads UNLEASH_URL, UNLEASH_ADMIN_TOKEN, WEBHOOK_TOKEN and
REPLICAS, the addresses of the admin listeners. What is there already is left as it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from deploy.unleash.admin import AdminError, UnleashAdmin

# Where each route stands at first, as a percentage.
ROUTES = {
    "product-page": 0,
    "category-page": 0,
    "product-api": 25,
    "category-api": 25,
    "old-product-address": 0,
}
GROUPS = ("purchase",)
KILL_SWITCH = "figway-rollback"
# What Unleash tells the replicas at once; anything else they find at their next look.
EVENTS = (
    *("feature-environment-enabled", "feature-environment-disabled"),
    *("feature-strategy-add", "feature-strategy-update", "feature-strategy-remove"),
    *("feature-created", "feature-archived", "feature-revived", "feature-updated"),
    *("segment-updated", "segment-deleted"),
    *("feature-dependency-added", "feature-dependency-removed"),
)


def hook(replica: str) -> str:
    """Where a replica hears of changes, from the address of its admin listener."""
    return f"{replica}/api/v1/hooks/unleash"


def seed(admin: UnleashAdmin, replicas: Sequence[str], webhook_token: str) -> list[str]:
    """Make what is missing; the names of it. Raises AdminError, OSError."""
    there = set(admin.flags())
    made = []
    switches = {KILL_SWITCH: "every route"}
    switches |= {f"{KILL_SWITCH}-{name}": name for name in (*GROUPS, *ROUTES)}
    for flag, what in switches.items():
        if flag not in there:
            admin.create_flag(flag, kind="kill-switch", description=f"On sends {what} to legacy.")
            made.append(flag)
    for name, percent in ROUTES.items():
        flag = f"figway-{name}"
        if flag not in there:
            admin.create_flag(flag, description=f"How much of {name} the new service answers.")
            # The bucket of a client depends on the group id: the route's name, as in Figway.
            admin.set_percentage(flag, percent, group=name)
            admin.turn_on(flag)
            made.append(flag)
    told = admin.webhooks()
    for replica in replicas:
        if hook(replica) not in told:
            admin.add_webhook(hook(replica), authorization=f"Bearer {webhook_token}", events=EVENTS)
            made.append(hook(replica))
    return made


def main() -> int:
    """0 when all is there, 1 when Unleash refused, 2 when a variable is missing."""
    names = ("UNLEASH_URL", "UNLEASH_ADMIN_TOKEN", "WEBHOOK_TOKEN", "REPLICAS")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        print(f"seed: set {', '.join(missing)}", file=sys.stderr)
        return 2
    url, token, webhook_token, replicas = (os.environ[name] for name in names)
    try:
        made = seed(UnleashAdmin(url=url, token=token), replicas.split(","), webhook_token)
    except (AdminError, OSError) as error:
        print(f"seed: {error}", file=sys.stderr)
        return 1
    print(f"made {', '.join(made)}" if made else "all was there", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
