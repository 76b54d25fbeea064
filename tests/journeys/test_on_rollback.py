"""on_rollback over the real program: from routes.yaml to the end of a stream and its log line."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.journeys.figway_process import FigwayProcess
from tests.rigs.raw_client import RawClient
from tests.rigs.scripted_origin import OK, Conversation, ScriptedOrigin, answer
from tests.wire.message_bytes import get
from tests.wire.test_recall import EVENTS, FIRST, LAST, RESTART, frame
from tests.wire.test_upgrades import ASK, SWITCH

ROUTES = """\
version: 1
upstreams:
  legacy: {{role: legacy, urls: ["{legacy}"]}}
  fresh: {{urls: ["{new}"]}}
routes:
  - id: talk
    match: {{path: {{prefix: /}}, methods: [GET]}}
    new: fresh
    stage: live
    on_rollback: {word}
  - id: monolith
    match: {{path: {{prefix: /}}}}
"""


def streams(conversation: Conversation) -> None:
    """An event stream, or a WebSocket: whatever is asked for."""
    if conversation.read_request().target == b"/chat":
        conversation.send(SWITCH + frame(b"hello"))
        conversation.read_to_end()
        return
    conversation.send(EVENTS + FIRST)
    conversation.wait_until_left()


def told(figway: FigwayProcess) -> set[tuple[str, int, str | None]]:
    """Side, status and error of every request that the log tells of."""
    return {(e["side"], e["status"], e.get("error")) for e in figway.events("request_served")}


@pytest.mark.parametrize("word", ["close", "drain 300ms"])
def test_streams_end_and_come_again_to_legacy(tmp_path: Path, word: str) -> None:
    with ScriptedOrigin(streams) as new, ScriptedOrigin(answer(OK)) as legacy:
        text = ROUTES.format(legacy=legacy.url, new=new.url, word=word)
        (tmp_path / "routes.yaml").write_text(text)
        figway = FigwayProcess(tmp_path, workers=1).serving()
        host, _, port = figway.listen.rpartition(":")
        address = host, int(port)
        with closing(figway), RawClient(address) as events, RawClient(address) as talk:
            events.send(get(b"/events"))
            events.read_until(FIRST)
            talk.send(ASK)
            talk.read_until(b"hello")
            assert figway.run("rollback", "--route", "talk", "--reason", "r").code == 0
            assert events.read_exactly(len(LAST)) == LAST
            assert talk.read_exactly(len(RESTART)) == RESTART
            talk.read_nothing_more()
            # On the connection that it has.
            events.send(get(b"/events"))
            assert events.read_response().body == b"ok"
            # Ended before their time, so they are told of whatever the sample.
            recalled = {("new", 200, "rolled_back"), ("new", 101, "rolled_back")}
            figway.wait_until(lambda: recalled <= told(figway))
            assert figway.metric("figway_recalled_total", route="talk", kind="stream") == 1
            assert figway.metric("figway_recalled_total", route="talk", kind="tunnel") == 1
            assert figway.metric("figway_tunnels") == 0
