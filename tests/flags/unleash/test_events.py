"""Who is behind a change: from the webhook, else from Unleash's event log."""

from __future__ import annotations

import pytest

from flags.unleash.events import Author, Event, author_of
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
        pytest.param(11, 13, Author(who="ada", event="15"), id="the revision was late"),
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


async def test_the_event_log_is_asked_for_a_change_that_no_webhook_told_of(
    fake_unleash: FakeUnleash, listening: Listening, connect: Connect
) -> None:
    fake_unleash.flag("figway-catalog", percent=25, group="catalog")
    feed = connect()
    await listening.until(lambda: listening.health.state == "ok")
    fake_unleash.flag("figway-catalog", percent=30, group="catalog")
    fake_unleash.events.append(
        {
            "id": fake_unleash.revision,
            "type": "feature-strategy-update",
            "createdBy": "ada",
            "featureName": "figway-catalog",
            "environment": "production",
        }
    )
    await listening.until(lambda: listening.percent("catalog") == 30)
    news = listening.news[-1]
    assert (news.who, news.event) == ("", "")
    asked = await feed.attribute(news)
    assert (asked.who, asked.event) == ("ada", str(fake_unleash.revision))
    assert asked.state == news.state


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
