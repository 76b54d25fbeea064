"""DokuWiki compared with itself: the verdict is GO, and only its clock is noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.visitors import send_visitors
from tests.journeys.figway_process import FigwayProcess
from tests.rigs.child import free_ports
from tests.rigs.dokuwiki import install_dokuwiki
from tests.rigs.shadow_shop import PATIENT, brief, happened, settled
from tests.rigs.shop import Visitor, start_php

# Wider limits than production's 0.1 % and 0.5 %, so that the crawl is short: 162 comparisons
# without a critical mismatch, and 300 with five that noise may hide, are enough for a GO. Half of
# all are re-probed, because that is where noise shows.
ROUTES = """\
version: 1
upstreams:
  legacy: {{role: legacy, urls: ["http://127.0.0.1:{legacy}"], version: "2022-07-31a"}}
  twin: {{urls: ["http://127.0.0.1:{twin}"], version: "2022-07-31a"}}
routes:
  - id: pages
    match: {{path: {{prefix: /doku.php}}}}
    new: twin
    stage: shadow
    shadow: {{sample: 100%, aa: {{rate: 50%}}, budget: {{legacy_extra_rps: 100}}}}
    compare: {compare}
    gate: {{max_mismatch: {{critical: 2%, major: 5%}}, max_unseen: 5%}}
  - {{id: monolith, match: {{path: {{prefix: /}}}}}}
"""
FEWEST, MOST = 8, 100
PAGES = {
    "table": "====== Table ======\n\n^ Tool ^ Price ^\n| Saw | 12.90 |\n| Ümlaut | 3 |\n",
    "list": "====== List ======\n\n  * one\n    * two\n  - three\n\n[[start|Back]] [[nowhere]]\n",
    "code": "====== Code ======\n\n<code php>\n<?php echo 1 < 2;\n</code>\n\n%%**%% //a// **b**\n",
    "long": "====== Long ======\n\n" + "===== Part =====\n\nA line of text.\n\n" * 30,
}
VARIANTS = (
    *("", "&do=index", "&do=recent", "&do=backlink", "&do=revisions", "&do=export_raw"),
    *("&do=export_xhtml", "&do=search&q=wiki", "&do=login", "&do=register", "&do=media"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """A wiki served twice from the same files, and Figway before both."""

    figway: FigwayProcess
    legacy: int
    twin: int

    @property
    def port(self) -> int:
        """Figway's data port."""
        return int(self.figway.listen.rpartition(":")[2])


@pytest.fixture
def twins(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Twins]:
    """Both wikis; a parameter is the `compare:` of the route."""
    compare = getattr(request, "param", "{profile: php}")
    root = install_dokuwiki(tmp_path)
    for name, text in PAGES.items():
        (tmp_path / "data" / "pages" / f"{name}.txt").write_text(text)
    legacy, twin = free_ports(2)
    routes = ROUTES.format(legacy=legacy, twin=twin, compare=compare)
    (tmp_path / "routes.yaml").write_text(routes + PATIENT)
    (tmp_path / "flags.yaml").write_text("rollback: false\ngroups: {}\nroutes: {}\n")
    with (
        start_php(root, None, legacy, tmp_path / "legacy.log", {}),
        start_php(root, None, twin, tmp_path / "twin.log", {}),
    ):
        figway = FigwayProcess(tmp_path)
        try:
            yield Twins(figway=figway.serving(), legacy=legacy, twin=twin)
        finally:
            figway.close()


def targets(twins: Twins) -> list[str]:
    """Pages in every way the wiki shows them, each asked for once of both.

    The wiki keeps what it rendered by Host and port. Two that render one page at the same time can
    leave an empty one behind for good: a defect of its own, which the comparison found.
    """
    names = ("start", "no:such:page", *PAGES)
    found = [f"/doku.php?id={name}{variant}" for name in names for variant in VARIANTS]
    for port in (twins.legacy, twins.twin):
        visitor = Visitor(port, host=f"127.0.0.1:{twins.port}")
        for target in found:
            assert visitor.get(target).status in {200, 302, 404}, target
    return found


def crawl(
    twins: Twins, seen: Callable[[dict[str, Any]], object], *, fewest: int = 1
) -> dict[str, Any]:
    """Ask for every page, round after round, until the report shows something; the report.

    What shows needs a second that ends between two answers. How many of a round that hits is a
    matter of how fast the machine is: few of a fast one, most of a slow one.
    """
    pages = targets(twins)
    asked = 0
    for number in range(1, MOST + 1):
        send_visitors(twins.port, [(target,) for target in pages], at_once=2)
        asked += len(pages)
        if number < fewest:
            continue
        report = settled(twins.figway, asked)["pages"]
        if seen(report):
            return report
    raise AssertionError(f"{asked} requests do not show it: {brief({'pages': report})}")


def proposals(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The noise that a rule is proposed for."""
    return [noise for noise in report["noise"] if noise["proposal"]]


def test_a_wiki_compared_with_itself_is_a_go_with_its_clock_as_noise(twins: Twins) -> None:
    report = crawl(twins, proposals, fewest=FEWEST)
    assert report["eligible"] > 400

    assert report["verdict"] == "GO", brief({"pages": report})
    # A page carries the second it was made in, for the request that runs the wiki's cron.
    [noise] = proposals(report)
    assert noise["proposal"]["op"] == "datetime"
    assert noise["path"] == "html:links[.no img]@src"
    assert {cause["cause"] for cause in report["causes"]} == {"clock_skew"}, brief(
        {"pages": report}
    )


@pytest.mark.parametrize(
    "twins",
    ['{rules: [{path: "html:links[.no img]@src", op: datetime, tolerance: 2m}]}'],
    indirect=True,
)
def test_with_the_rule_that_was_proposed_its_clock_is_no_difference(twins: Twins) -> None:
    # A busy machine reads the two further apart than the proposal of a calm one allows.
    report = crawl(twins, lambda so_far: len(happened(so_far)) > 1, fewest=3)

    assert report["verdict"] == "GO", brief({"pages": report})
    assert set(happened(report)) == {"match", "match_normalised"}, brief({"pages": report})
    assert report["causes"] == []
    assert [rule["rule"] for rule in report["rules"]] == ["rule:0"], report["rules"]
