"""Who is behind a change: from the webhook, else from Unleash's event log."""

from __future__ import annotations

import pytest

from flags.feed import FeedNews
from flags.unleash.events import Author, Event, author_of, late_event, read_event
from tests.flags.unleash.conftest import Connect
from tests.flags.unleash.listening import Listening
from tests.rigs.fake_unleash import FakeUnleash

EVENTS = (
    Event(id=10, kind="feature-created", who="eve", flag="figway-a"),
    Event(id=11, kind="feature-strategy-update", who="ada", flag="figway-a", environment="prod"),
    Event(id=12, kind="feature-strategy-update", who="bob", flag="figway-a", environment="dev"),
    Event(id=13, kind="feature-strategy-update", who="bob", flag="newsletter", environment="prod"),
    Event(id=14, kind="segment-updated", who="cyd"),
    Event(id=15, kind="feature-environment-enabled", who="ada", flag="figway-a"),
    Event(id=16, kind="project-updated", who="dan"),
    Event(id=17, kind="feature-strategy-update", who="bob", flag="figway-a", environment="dev"),
    Event(id=18, kind="feature-strategy-update", who="bob", flag="newsletter", environment="prod"),
    Event(id=19, kind="segment-updated", who="cyd"),
)


@pytest.mark.parametrize(
    ("after", "upto", "expected"),
    [
        pytest.param(10, 11, Author(who="ada", event="11"), id="one"),
        pytest.param(9, 11, Author(who="eve, ada", event="10, 11"), id="two people"),
        pytest.param(10, 15, Author(who="ada, cyd", event="11, 14, 15"), id="a segment as well"),
        pytest.param(11, 13, Author(), id="only of later ones"),
        pytest.param(15, 16, Author(), id="not of a flag"),
        pytest.param(15, 18, Author(), id="another environment and another flag"),
        pytest.param(30, 40, Author(), id="nothing known"),
    ],
)
def test_a_change_is_of_those_whose_events_lie_between(
    after: int, upto: int, expected: Author
) -> None:
    assert author_of(EVENTS, {"figway-a"}, "prod", after=after, upto=upto) == expected
    # An event that is heard of twice is one, in whatever order they come.
    twice = (*reversed(EVENTS), *EVENTS)
    assert author_of(twice, {"figway-a"}, "prod", after=after, upto=upto) == expected


@pytest.mark.parametrize(
    ("beyond", "expected"),
    [
        pytest.param(9, 10, id="the next"),
        pytest.param(11, 15, id="neither another environment nor a flag or segment beside it"),
        pytest.param(15, None, id="none"),
    ],
)
def test_a_change_that_unleash_did_not_count_yet_is_the_next_event_of_the_flag(
    beyond: int, expected: int | None
) -> None:
    for events in (EVENTS, tuple(reversed(EVENTS))):
        found = late_event(events, {"figway-a"}, "prod", beyond=beyond)
        assert (found and found.id) == expected


def log(fake_unleash: FakeUnleash, who: str, number: int, flag: str = "figway-catalog") -> None:
    """Write an event into the log that is asked."""
    fake_unleash.events.append(
        {
            "id": number,
            "type": "feature-strategy-update",
            "createdBy": who,
            "featureName": flag,
            "environment": "production",
        }
    )


async def change(fake_unleash: FakeUnleash, listening: Listening, percent: int) -> FeedNews:
    """Set the percentage, and wait until it is told."""
    fake_unleash.flag("figway-catalog", percent=percent, group="catalog")
    await listening.until(lambda: listening.percent("catalog") == percent)
    return listening.news[-1]


async def test_the_event_log_is_asked_for_a_change_that_no_webhook_told_of(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    feed = connect()
    await listening.until(lambda: listening.health.state == "ok")
    log(fake_unleash, "ada", fake_unleash.revision + 1)
    news = await change(fake_unleash, listening, 30)
    assert (news.who, news.event) == ("", "")
    asked = await feed.attribute(news)
    assert (asked.who, asked.event) == ("ada", str(fake_unleash.revision))
    assert asked.state == news.state


async def test_a_webhook_that_overtook_another_is_not_taken_for_it(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    feed = connect()
    await listening.until(lambda: listening.health.state == "ok")
    theirs = fake_unleash.revision + 1
    log(fake_unleash, "ada", theirs)
    log(fake_unleash, "bob", theirs + 1)
    feed.heard(read_event(fake_unleash.events[-1]))
    asked = await feed.attribute(await change(fake_unleash, listening, 30))
    assert (asked.who, asked.event) == ("ada", str(theirs))


async def test_a_change_that_unleash_counts_late_has_its_author_and_only_once(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    feed = connect()
    await listening.until(lambda: listening.health.state == "ok")
    before = fake_unleash.revision
    log(fake_unleash, "eve", before)
    log(fake_unleash, "dan", before + 1, flag="newsletter")
    log(fake_unleash, "ada", before + 2)
    # The change is served under the revision before it.
    fake_unleash.revision = before - 1
    asked = await feed.attribute(await change(fake_unleash, listening, 30))
    assert (asked.who, asked.event) == ("ada", str(before + 2))

    log(fake_unleash, "bob", before + 3)
    fake_unleash.revision = before + 2
    asked = await feed.attribute(await change(fake_unleash, listening, 40))
    assert (asked.who, asked.event) == ("bob", str(before + 3))


async def test_a_log_that_does_not_reach_back_names_nobody(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    feed = connect()
    await listening.until(lambda: listening.health.state == "ok")
    log(fake_unleash, "bob", fake_unleash.revision + 5)
    asked = await feed.attribute(await change(fake_unleash, listening, 30))
    assert (asked.who, asked.event) == ("", "")


async def test_without_a_log_a_revision_that_stood_still_is_of_who_was_heard_next(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    feed = connect(admin_token="")
    await listening.until(lambda: listening.health.state == "ok")
    before = fake_unleash.revision
    log(fake_unleash, "ada", before + 1)
    feed.heard(read_event(fake_unleash.events[-1]))
    fake_unleash.revision = before - 1
    news = await change(fake_unleash, listening, 30)
    assert (news.who, news.event) == ("ada", str(before + 1))
    assert await feed.attribute(news) == news

    log(fake_unleash, "bob", before + 9)
    feed.heard(read_event(fake_unleash.events[-1]))
    fake_unleash.revision = before + 1
    news = await change(fake_unleash, listening, 40)
    assert (news.who, news.event) == ("", "")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"admin_token": ""}, id="no admin token"),
        pytest.param({"admin_token": "*:*.wrong"}, id="a wrong admin token"),
    ],
)
async def test_an_author_who_cannot_be_found_out_stays_unknown(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect, other: dict[str, str]
) -> None:
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    feed = connect(**other)
    await listening.until(lambda: listening.health.state == "ok")
    fake_unleash.flag("figway-catalog", percent=30, group="catalog")
    await listening.until(lambda: listening.percent("catalog") == 30)
    assert await feed.attribute(listening.news[-1]) == listening.news[-1]
