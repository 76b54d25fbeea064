"""What is in sight after reads and messages that come in any order, or not at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flags.redis.counts import RedisCounts
from flags.redis.sight import Sight
from flags.shared import SharedState


class Server:
    """The hash and its messages, as the scripts of Redis make them."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.messages: list[tuple[str, str, list[str]]] = []

    def write(self, scope: str, *, on: bool) -> None:
        before = self.texts.get("rev", "0")
        revision = str(int(before) + 10)
        name, word = f"rollback:{scope}", f'{revision} {{"on":{str(on).lower()}}}'
        self.texts |= {name: word, "rev": revision}
        self.messages.append((before, revision, [name, word]))


def sight_of(told: list[SharedState]) -> Sight:
    return Sight(lambda state, _: told.append(state), RedisCounts())


def read(sight: Sight, server: Server) -> None:
    sight.whole(dict(server.texts), heard=sight.heard)


def test_messages_that_follow_each_other_need_no_read() -> None:
    server, told = Server(), list[SharedState]()
    sight = sight_of(told)
    read(sight, server)
    for scope in ("all", "route:a", "route:b"):
        server.write(scope, on=True)
        sight.news(*server.messages[-1])
        assert not sight.doubtful
        assert sight.agrees(server.texts["rev"].encode())
    assert set(told[-1].marks) == {"all", "route:a", "route:b"}


def test_a_message_that_does_not_follow_is_believed_and_doubted() -> None:
    server, told, wholes = Server(), list[SharedState](), list[bool]()

    def tell(state: SharedState, whole: bool) -> None:
        told.append(state)
        wholes.append(whole)

    sight = Sight(tell, RedisCounts())
    read(sight, server)
    server.write("route:unheard", on=True)
    server.write("all", on=True)
    sight.news(*server.messages[-1])
    assert told[-1].marks["all"].on
    assert sight.doubtful
    read(sight, server)
    assert not sight.doubtful
    # Nobody may confirm what lacks a word before it.
    assert wholes == [True, False, True]
    assert set(told[-1].marks) == {"all", "route:unheard"}


def test_an_answer_that_a_message_overtook_takes_nothing_back() -> None:
    server, told = Server(), list[SharedState]()
    sight = sight_of(told)
    read(sight, server)
    asked, answer = sight.heard, dict(server.texts)
    server.write("all", on=True)
    sight.news(*server.messages[-1])
    sight.whole(answer, heard=asked)
    assert told[-1].marks["all"].on
    assert sight.fields.state == told[-1]
    assert sight.doubtful


def test_an_answer_that_says_less_without_a_message_is_what_the_store_lost() -> None:
    server, told = Server(), list[SharedState]()
    sight = sight_of(told)
    server.write("all", on=True)
    read(sight, server)
    server.texts.clear()
    assert not sight.agrees(None)
    read(sight, server)
    assert not sight.doubtful
    assert not sight.fields.state.marks
    assert sight.agrees(None)


def test_a_message_that_is_known_is_not_told_again() -> None:
    server, told = Server(), list[SharedState]()
    sight = sight_of(told)
    server.write("all", on=True)
    read(sight, server)
    before = len(told)
    sight.news(*server.messages[-1])
    assert len(told) == before
    assert not sight.doubtful


def test_a_later_revision_of_words_that_are_known_is_taken_over() -> None:
    server, told = Server(), list[SharedState]()
    sight = sight_of(told)
    server.write("all", on=True)
    read(sight, server)
    # As a restore does that wrote back what we knew all along.
    before, later = server.texts["rev"], str(int(server.texts["rev"]) + 1)
    server.texts["rev"] = later
    sight.news(before, later, ["rollback:all", server.texts["rollback:all"]])
    assert sight.agrees(later.encode())
    assert told[-1].revision == int(later)


STEPS = st.sampled_from(["write", "deliver", "lose", "read", "ask", "answer", "poll"])


@given(st.lists(st.tuples(STEPS, st.sampled_from(["all", "route:a"]), st.booleans())))
def test_whatever_is_lost_a_poll_and_a_read_come_to_what_the_store_holds(
    steps: list[tuple[str, str, bool]],
) -> None:
    server, told = Server(), list[SharedState]()
    sight = sight_of(told)
    waiting: list[tuple[str, str, list[str]]] = []
    asked: list[tuple[int, dict[str, str]]] = []
    newest = 0
    for step, scope, on in steps:
        match step:
            case "write":
                server.write(scope, on=on)
                waiting.append(server.messages[-1])
            case "deliver" if waiting:
                sight.news(*waiting.pop(0))
            case "lose" if waiting:
                waiting.pop()
            case "read":
                read(sight, server)
            case "ask":
                asked.append((sight.heard, dict(server.texts)))
            case "answer" if asked:
                heard, answer = asked.pop(0)
                # One question at a time, as on one connection.
                asked.clear()
                sight.whole(answer, heard=heard)
            case _:
                pass
        newest = max(newest, *(state.revision for state in told), 0)
    # What the poll does at last.
    if sight.doubtful or not sight.agrees(server.texts.get("rev", "").encode()):
        read(sight, server)
    assert sight.fields.texts == server.texts
    assert sight.fields.state.revision == int(server.texts.get("rev", "0")) >= newest
