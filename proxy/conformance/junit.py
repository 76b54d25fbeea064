"""Case results as JUnit XML: one suite for the file, one test case for each case."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from proxy.conformance.result import CaseOutcome, CaseResult
from proxy.conformance.result_text import failure_lines, headline

# XML 1.0, 2.2: Char. Anything else makes the whole file unreadable to a parser.
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(name: str, results: tuple[CaseResult, ...], unreachable: str = "") -> bytes:
    """The XML. `unreachable` says why the run ended early; it is an error of its own."""
    counts = {
        "tests": str(len(results) + bool(unreachable)),
        "failures": _count(results, CaseOutcome.FAILED),
        "errors": str(int(_count(results, CaseOutcome.ERROR)) + bool(unreachable)),
        "skipped": _count(results, CaseOutcome.SKIPPED),
        "time": f"{sum(result.seconds for result in results):.3f}",
    }
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **counts})
    for result in results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "classname": result.route or "figway",
                "name": _safe(result.case.name),
                "file": name,
                "line": str(result.case.line),
                "time": f"{result.seconds:.3f}",
            },
        )
        if result.outcome is CaseOutcome.SKIPPED:
            ElementTree.SubElement(case, "skipped", {"message": _safe(result.reason)})
        elif result.outcome is not CaseOutcome.PASSED:
            kind = "failure" if result.outcome is CaseOutcome.FAILED else "error"
            element = ElementTree.SubElement(case, kind, {"message": _safe(headline(result))})
            element.text = _safe("\n".join(failure_lines(name, result)))
    if unreachable:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "figway", "name": "both sides can be reached"}
        )
        ElementTree.SubElement(case, "error", {"message": _safe(unreachable)})
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _count(results: tuple[CaseResult, ...], outcome: CaseOutcome) -> str:
    return str(sum(1 for result in results if result.outcome is outcome))


def _safe(text: str) -> str:
    return _NO_CHARACTER.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
