"""Reports, exemplars and rules as text, Markdown and JUnit: what they say, safely."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.shadow.exemplar_text import exemplar_text
from proxy.cli.shadow.paint import Paint
from proxy.cli.shadow.reading import read_as
from proxy.cli.shadow.report import FAILING
from proxy.cli.shadow.report_junit import report_junit
from proxy.cli.shadow.report_markdown import report_markdown
from proxy.cli.shadow.report_text import report_text
from proxy.cli.shadow.rules_text import rules_text
from proxy.cli.shadow.side_by_side import Row, body_lines, cells, columns, rows
from proxy.cli.shadow.words import markdown, printable, rule_line
from proxy.evidence.answers import ReportAnswer, RuleLine, RulesAnswer, ShownExemplar
from proxy.evidence.report import CauseReport, RouteReport, as_document
from tests.proxy.cli.shadow.sample import (
    CAUSE,
    GO,
    HOSTILE,
    MORE,
    NO_GO,
    RULES,
    SHOWN,
    WHAT_IF,
    hostile_exemplar,
    hostile_report,
)

PLAIN = Paint(on=False)
COLOUR = Paint(on=True)
HTML = "text/html"


# Text.


def test_a_go_says_how_many_comparisons_showed_what() -> None:
    text = report_text((GO,), PLAIN)
    assert text.splitlines()[0] == "product-page  GO  stage shadow"
    assert "3,412 comparisons: 0 critical, rate below 0.1 %" in text
    assert "3,500 eligible = match 3,400 + match_normalised 12 + shed 80 + in flight 8" in text
    assert "shed: queue 75, loop_lag 5" in text
    assert "not eligible: method 20, range 3; not sampled 1,000" in text
    assert "p95 legacy 40 ms, new 50 ms (x1.25); shadow latency is not production latency" in text
    assert "epoch e12 since 2023-11-14 22:13:20 UTC: legacy 4.2, new 1.3, rules abcd" in text
    assert "not counted: 1 earlier epoch" in text
    assert "Warning: Undefined $x" in text


def test_a_report_always_says_what_its_figures_do_not() -> None:
    both = report_text((GO, NO_GO), PLAIN)
    assert both.count("What these figures do not say:") == 1
    assert both.count("about sampled, eligible requests of this window") == 1
    assert "about sampled, eligible requests" in report_markdown((GO,))
    assert "about sampled, eligible requests" in report_junit((GO,), FAILING["no-go"])


def test_a_no_go_names_each_cause_with_paths_example_and_where_to_look() -> None:
    text = report_text((NO_GO,), PLAIN)
    assert "major  41 of 3,412  rounding" in text
    assert "legacy 12.345, new 12.35: rounded to 2 places" in text
    assert "at $.price, $.items[*].price" in text
    assert "e.g. $.items[3].price: legacy 12.345, new 12.35" in text
    assert "figway shadow show 7f3a2b  (or 8e1c00)" in text


def test_a_cause_without_a_word_is_not_explained_twice() -> None:
    cause = replace(CAUSE, cause="", explanation="no known cause explains it")
    text = report_text((replace(NO_GO, causes=(cause,)),), PLAIN)
    assert text.count("no known cause") == 1
    assert "e.g. $.items[3].price: legacy 12.345, new 12.35" in text


def test_an_example_that_says_nothing_new_is_left_out() -> None:
    cause = replace(CAUSE, example="$.price: legacy 12.345, new 12.35")
    assert "e.g." not in report_text((replace(NO_GO, causes=(cause,)),), PLAIN)


def test_a_limit_that_is_refuted_is_not_so_many_comparisons_away() -> None:
    refuted = replace(GO.rates[0], e_no_go=math.inf, to_go=303_331, mismatches=180)
    assert "303,331" not in report_text((replace(NO_GO, rates=(refuted,)),), PLAIN)
    assert "303,331" in report_text((replace(MORE, rates=(replace(refuted, e_no_go=0.0),)),), PLAIN)


def test_a_proposed_rule_can_be_copied_into_the_file() -> None:
    text = report_text((NO_GO,), PLAIN)
    (line,) = [line for line in text.splitlines() if "proposed:" in line]
    assert yaml.safe_load(line.partition("proposed: ")[2]) == [
        {"path": "$.generated_at", "op": "datetime", "tolerance": "5s"}
    ]


def test_too_little_data_says_how_much_is_missing_and_how_long_that_takes() -> None:
    text = report_text((MORE,), PLAIN)
    assert "500 compared, 2,736 to go, about 2 h at this rate" in text


@pytest.mark.parametrize(
    ("report", "says"),
    [
        pytest.param(replace(MORE, to_go=None), "no number of comparisons would do", id="never"),
        pytest.param(
            replace(MORE, to_go=0, eta_seconds=86_400.0), "about 1 d of the window", id="window"
        ),
        pytest.param(replace(MORE, to_go=0, eta_seconds=0.0), "see the reasons", id="triage"),
        pytest.param(replace(MORE, eta_seconds=None), "2,736 to go", id="no rate"),
    ],
)
def test_what_is_missing_is_told_in_words(report: RouteReport, says: str) -> None:
    assert says in report_text((report,), PLAIN)
    assert says in report_markdown((report,))


def test_several_routes_begin_with_a_board() -> None:
    board = report_text((GO, NO_GO, MORE), PLAIN).split("\n\n")[0].splitlines()
    assert [line.split()[:2] for line in board] == [
        ["product-page", "GO"],
        ["product-api", "NO-GO"],
        ["search", "NEED-MORE-DATA"],
    ]


def test_books_that_do_not_balance_are_a_defect_and_said_so() -> None:
    broken = replace(GO, unaccounted=-3)
    assert "-3 requests are unaccounted for: a defect of figway" in report_text((broken,), PLAIN)
    assert "-3 requests are unaccounted for" in report_markdown((broken,))


def test_triaged_causes_and_noise_are_marked() -> None:
    cause = replace(CAUSE, triage="known", ticket="SHOP-12", noise=True)
    text = report_text((replace(NO_GO, causes=(cause,)),), PLAIN)
    assert "triaged: SHOP-12 known" in text
    assert "noise: does not count" in text


def test_many_causes_are_cut_and_counted() -> None:
    many = tuple(replace(CAUSE, fingerprint=f"{n:016x}") for n in range(25))
    assert "... and 5 more" in report_text((replace(NO_GO, causes=many),), PLAIN)
    assert "5 more causes" in report_markdown((replace(NO_GO, causes=many),))


def test_colour_is_there_only_when_asked_for() -> None:
    assert "\x1b[31mNO-GO\x1b[0m" in report_text((NO_GO,), COLOUR)
    assert "\x1b" not in report_text((GO, NO_GO, MORE), PLAIN)
    coloured = report_text((GO, NO_GO, MORE), COLOUR)
    assert re.sub(r"\x1b\[\d+m", "", coloured) == report_text((GO, NO_GO, MORE), PLAIN)


# Nothing captured reaches a terminal, a page or a parser as it is.


@pytest.mark.parametrize(
    "render",
    [
        pytest.param(lambda: report_text((hostile_report(),), PLAIN), id="report"),
        pytest.param(lambda: exemplar_text(hostile_exemplar(), 100, PLAIN, whole=True), id="pair"),
        pytest.param(
            lambda: rules_text(
                replace(
                    WHAT_IF,
                    route=HOSTILE,
                    rules=(replace(RULES.rules[1], path=HOSTILE, reason=HOSTILE, rule=HOSTILE),),
                    noise=hostile_report().noise,
                ),
                PLAIN,
            ),
            id="rules",
        ),
    ],
)
def test_nothing_captured_steers_a_terminal(render: Callable[[], str]) -> None:
    text = render()
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "\\x1b[2J" in text
    assert "\\x202e" in text or "\\u202e" in text


def test_nothing_captured_is_markup_in_markdown() -> None:
    text = report_markdown((hostile_report(),))
    assert "<script" not in text
    assert not re.findall(r"<(?!/?code>)", text)
    assert "http://" not in text
    assert "@all" not in text
    # Every table row has as many cells as its head: no value ends a cell.
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block
    assert all(character.isprintable() or character == "\n" for character in text)


def test_markdown_shows_what_was_captured() -> None:
    assert html.unescape(markdown("a|b <i> *c* $.x")) == "a|b <i> *c* $.x"


@given(st.text())
def test_any_text_stays_one_line_of_printable_characters(text: str) -> None:
    for shown in (printable(text), markdown(text)):
        assert shown.isprintable()


@given(st.text(), st.text())
def test_any_rule_is_one_line_of_yaml_that_says_the_same(path: str, reason: str) -> None:
    rule = {"path": path, "op": "ignore", "reason": reason, "tolerance": "5s", "abs": 0.5}
    line = rule_line(rule)
    assert line.isprintable()
    assert yaml.safe_load(line) == [rule]


def test_junit_fails_what_is_asked_for_and_skips_what_is_short_of_go() -> None:
    root = ElementTree.fromstring(report_junit((GO, NO_GO, MORE), FAILING["no-go"]))
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("3", "1", "1")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    failure = cases["product-api"].find("failure")
    assert failure is not None
    assert failure.get("type") == "NO-GO"
    assert "41 of 3,412 comparisons mismatch" in (failure.get("message") or "")
    assert "figway shadow show 7f3a2b" in (failure.text or "")
    assert cases["search"].find("skipped") is not None
    assert cases["product-page"].find("failure") is None
    strict = ElementTree.fromstring(report_junit((GO, MORE), FAILING["need-more-data"]))
    assert strict.get("failures") == "1"


def test_junit_of_hostile_text_is_still_xml() -> None:
    root = ElementTree.fromstring(report_junit((hostile_report(),), FAILING["no-go"]))
    (failure,) = root.iter("failure")
    assert "<script>alert(1)</script>" in (failure.text or "")


# Exemplars.


def test_a_pair_is_shown_side_by_side_with_the_rule_that_silences_it() -> None:
    text = exemplar_text(SHOWN, 100, PLAIN)
    assert "7f3a2b  GET /api/products/a-1?lang=de" in text
    assert "rounding: legacy 12.345, new 12.35: rounded to 2 places" in text
    assert "- {path: $.price, op: number, abs: 0.005}" in text
    assert "taken out: cookie" in text
    lines = text.splitlines()
    (price,) = [line for line in lines if line.startswith('  "price"') and "|" in line]
    assert [part.strip() for part in price.split("|")] == ['"price": 12.345,', '"price": 12.35,']
    (etag,) = [line for line in lines if line.startswith('etag: "1"')]
    assert etag.rstrip().endswith("<")


def test_a_difference_that_no_rule_reaches_is_to_be_mended() -> None:
    shown = replace(SHOWN, causes=(replace(SHOWN.causes[0], rule=None),))
    assert "no rule silences it: mend it" in exemplar_text(shown, 100, PLAIN)


def test_a_side_without_an_answer_says_why() -> None:
    silent = replace(SHOWN.new, status=0, error="connect", body="", headers=())
    text = exemplar_text(replace(SHOWN, new=silent), 100, PLAIN)
    assert "new (catalog)  no answer: connect" in text


def with_bodies(legacy: str, new: str, path: str = "$..a") -> str:
    """A pair that was found to differ at a path, as it is shown with what was kept of it."""
    difference = replace(SHOWN.differences[0], path=path, at=path, cause="duplicate_key")
    shown = replace(
        SHOWN,
        causes=(replace(SHOWN.causes[0], paths=(path,), rule=None),),
        differences=(difference,),
        legacy=replace(SHOWN.legacy, body=legacy),
        new=replace(SHOWN.new, body=new),
    )
    return exemplar_text(shown, 100, PLAIN)


def test_bodies_that_lost_what_differed_are_not_told_to_be_equal() -> None:
    text = with_bodies('{"a":2}', '{"a":2}')
    assert "what differed in the bodies is not visible in what was kept of them" in text
    assert "the kept bodies are equal" not in text
    assert "the kept bodies are equal" in with_bodies('{"a":2}', '{"a":2}', "header:etag")


def test_a_name_that_stands_twice_is_shown_where_it_was_kept() -> None:
    text = with_bodies('{"a":1,"a":2}', '{"a":2}')
    assert '{"a":1,"a":2}' in text
    assert "not visible" not in text


def test_what_is_cut_or_no_text_is_said() -> None:
    cut = replace(SHOWN.legacy, cut=True, binary=True, body="00 01")
    text = exemplar_text(replace(SHOWN, legacy=cut, more=7), 100, PLAIN)
    assert "a body was longer than what is kept" in text
    assert "where they first differ, in hexadecimal" in text
    assert "... and 7 differences more" in text
    gone = replace(SHOWN.legacy, cut=True, body="")
    text = exemplar_text(replace(SHOWN, legacy=gone), 100, PLAIN)
    assert "the bodies are not kept: compare.redact names something in them" in text


@pytest.mark.parametrize("width", [20, 60, 79, 200])
def test_no_line_of_the_columns_is_wider_than_the_terminal(width: int) -> None:
    left = ["x" * 500, "same", "y" * 300 + "A" + "y" * 300]
    right = ["x" * 500, "same", "y" * 300 + "B" + "y" * 300, "more"]
    lines = list(columns(rows(left, right), width, PLAIN, whole=True))
    assert max(map(len, lines)) <= max(width, 43)
    # Where the long lines differ is what is shown of them.
    assert any("A" in line and "B" in line for line in lines)


@given(st.text(alphabet="aé漢字🙂e\u0301 ", max_size=80), st.text(alphabet="aé漢🙂 ", max_size=80))
def test_wide_characters_keep_the_columns_straight(legacy: str, new: str) -> None:
    (line,) = columns([Row(legacy, new + "!")], 60, PLAIN, whole=True)
    left, mark = line[: line.rindex(" | ")], line.rindex(" | ")
    assert cells(left) == 28
    assert cells(line[mark + 3 :]) <= 28


@pytest.mark.parametrize("filler", ["x", "漢"])
@pytest.mark.parametrize("place", [0, 5, 20, 39, 60, 99])
def test_where_long_lines_differ_is_always_shown(filler: str, place: int) -> None:
    left, right = ([filler] * 100 for _ in "12")
    left[place], right[place] = "A", "B"
    (line,) = columns([Row("".join(left), "".join(right))], 60, PLAIN, whole=True)
    assert "A" in line.partition(" | ")[0]
    assert "B" in line.partition(" | ")[2]


def test_equal_lines_far_from_a_difference_are_only_counted() -> None:
    left = [str(n) for n in range(100)]
    right = [*left[:50], "other", *left[51:]]
    lines = list(columns(rows(left, right), 80, PLAIN))
    assert lines[0] == "... 47 equal lines"
    assert lines[-1] == "... 46 equal lines"
    assert len(lines) == 9


@given(st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5)))
def test_the_columns_hold_every_line_of_both_sides_in_order(
    legacy: list[str], new: list[str]
) -> None:
    found = rows(legacy, new)
    assert [row.legacy for row in found if row.legacy is not None] == legacy
    assert [row.new for row in found if row.new is not None] == new


def test_bodies_of_json_are_spread_out_and_others_left_alone() -> None:
    assert body_lines('{"a":1}') == ["{", '  "a": 1', "}"]
    assert body_lines("<p>a</p> <p>b c</p>") == ["<p>a</p>", "<p>b c</p>"]
    assert body_lines("a\nb") == ["a", "b"]
    assert body_lines("12") == ["12"]
    assert body_lines("[" * 100_000) == ["[" * 100_000]


# Rules.


def test_rules_say_what_they_did_and_when_they_end() -> None:
    text = rules_text(RULES, PLAIN)
    assert "made 120 values equal in 60 comparisons, last 2023-11-14 22:13:20 UTC" in text
    assert "made nothing equal in this epoch" in text
    assert "SHOP-12, until 2023-01-01  EXPIRED" in text
    assert "php:number  5 values in 4 comparisons, at $.price" in text
    assert "- {path: $.generated_at, op: datetime, tolerance: 5s}" in text


def test_rules_that_expect_differences_are_told_in_their_own_words() -> None:
    used = RuleLine(
        rule="rule:0", path="$.a", op="expected", count=4, comparisons=3, last_used=1_700_000_000.0
    )
    idle = RuleLine(rule="rule:1", path="$.b", op="expected")
    text = rules_text(RulesAnswer(route="a", rules=(used, idle)), PLAIN)
    assert "declared 4 differences expected in 3 comparisons, last 2023-11-14 22:13:20 UTC" in text
    assert "met no difference in this epoch" in text
    assert "equal" not in text


def test_a_what_if_names_what_would_be_masked_apart_from_noise() -> None:
    text = rules_text(WHAT_IF, PLAIN)
    assert "of 50 stored pairs 41 mismatch now and 2 would" in text
    masked, _, noise = text.partition("1 cause of noise would be gone:")
    assert "1 cause that is no noise would be masked:" in masked
    assert "rounding" in masked.partition("would be masked:")[2]
    assert "offset:+3s" in noise
    assert "draft rule 2 changes nothing" in text
    assert "4 of the stored pairs could not be compared again" in text


# Reading.


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(ReportAnswer, ReportAnswer(routes=(GO, NO_GO, MORE)), id="report"),
        pytest.param(ShownExemplar, SHOWN, id="exemplar"),
        pytest.param(RulesAnswer, WHAT_IF, id="rules"),
    ],
)
def test_what_is_written_as_json_is_read_as_the_same_value(kind: type, value: object) -> None:
    assert read_as(kind, as_document(value)) == value


def test_a_key_of_a_later_version_is_left_out() -> None:
    document = as_document(CAUSE)
    assert isinstance(document, dict)
    assert read_as(CauseReport, {**document, "colour": "red"}) == CAUSE
