"""The JSON schema of cases.yaml, for editors: draft-07, made from the model that loads it."""

from __future__ import annotations

import json
from typing import Any

from proxy.config.schema import schema_of
from proxy.conformance.case_model import CasesShape


def cases_schema() -> dict[str, Any]:
    """Return the schema as a JSON object."""
    return schema_of(
        CasesShape, "Figway cases.yaml", "Requests that both sides of a migration answer alike."
    )


def cases_schema_text() -> str:
    """Return the schema as it is written to cases.schema.json."""
    return json.dumps(cases_schema(), indent=2, ensure_ascii=False) + "\n"
