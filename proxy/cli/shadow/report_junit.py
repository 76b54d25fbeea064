"""The report of routes as JUnit XML: one test case for each route. Pure."""

from __future__ import annotations

from collections.abc import Set
from xml.etree import ElementTree

from proxy.cli.shadow.paint import Paint
from proxy.cli.shadow.report_text import how_far, report_text
from proxy.cli.shadow.words import printable
from proxy.evidence.report import RouteReport, VerdictState


def report_junit(reports: tuple[RouteReport, ...], failing: Set[VerdictState]) -> str:
    """A case fails when its verdict is one of `failing`; another one short of GO is skipped."""
    failures = sum(report.verdict in failing for report in reports)
    skipped = sum(
        report.verdict not in failing and report.verdict is not VerdictState.GO
        for report in reports
    )
    counted = {
        "tests": str(len(reports)),
        "failures": str(failures),
        "errors": "0",
        "skipped": str(skipped),
        "time": "0",
    }
    root = ElementTree.Element("testsuites", counted)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "figway shadow report", **counted})
    for report in reports:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {"classname": "figway.shadow", "name": report.route, "time": "0"},
        )
        reasons = printable("; ".join(report.reasons) or how_far(report))
        message = f"{report.verdict.value}: {reasons}"
        if report.verdict in failing:
            failure = ElementTree.SubElement(
                case, "failure", {"message": message, "type": report.verdict.value}
            )
            failure.text = report_text((report,), Paint(on=False))
        elif report.verdict is not VerdictState.GO:
            ElementTree.SubElement(case, "skipped", {"message": message})
        else:
            told = ElementTree.SubElement(case, "system-out")
            told.text = report_text((report,), Paint(on=False))
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'
