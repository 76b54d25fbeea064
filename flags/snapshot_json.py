"""A flag snapshot as JSON and back, for whoever asks a running figway what its flags say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from flags.snapshot import FlagSnapshot

_SNAPSHOT: Final = TypeAdapter(FlagSnapshot)


def to_json(flags: FlagSnapshot) -> dict[str, Any]:
    """The snapshot as a JSON object; what equals its default is left out."""
    # pydantic reads into any Mapping but writes dictionaries only.
    plain = replace(
        flags,
        group_basis_points=dict(flags.group_basis_points),
        route_basis_points=dict(flags.route_basis_points),
        rules=dict(flags.rules),
    )
    value: dict[str, Any] = json.loads(_SNAPSHOT.dump_json(plain, exclude_defaults=True))
    return value


def from_json(value: object) -> FlagSnapshot:
    """The snapshot that such an object tells. Raises ValueError."""
    try:
        # As text: in Python's own values pydantic would not take a list for a set or a tuple.
        return _SNAPSHOT.validate_json(json.dumps(value))
    except ValidationError as error:
        raise ValueError(f"is no flag snapshot: {error.errors()[0]['msg']}") from None
