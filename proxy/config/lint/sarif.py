"""Findings as SARIF 2.1.0, which code hosts show beside the changed lines."""

from __future__ import annotations

import os.path
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from proxy.config.lint.finding import RULES, Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: tuple[Finding, ...]) -> dict[str, Any]:
    """Return one SARIF log with one run."""
    index = {rule: position for position, rule in enumerate(RULES)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "figway check",
                        "semanticVersion": version("figway"),
                        "rules": [
                            {
                                "id": rule.id,
                                "shortDescription": {"text": rule.summary},
                                "help": {"text": f"{rule.id}: see docs/lint.md"},
                                "defaultConfiguration": {"level": rule.severity.value},
                            }
                            for rule in RULES.values()
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, index[finding.rule]) for finding in findings],
            }
        ],
    }


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    key = f"{finding.key}: " if finding.key else ""
    mend = f" ({finding.mend})" if finding.mend else ""
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file)}}
    if finding.line:
        place["region"] = {"startLine": finding.line, "startColumn": max(1, finding.column)}
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": finding.severity.value,
        "message": {"text": f"{key}{finding.message}{mend}"},
        "locations": [{"physicalLocation": place}],
    }


def _uri(name: str) -> str:
    """A file below the working directory by its relative path: that is what code hosts look up."""
    relative = os.path.relpath(name)
    if relative.startswith(".."):
        return Path(name).resolve().as_uri()
    return quote(relative.replace(os.sep, "/"))
