"""A command that asks every replica by itself, when the one asked cannot tell the others."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from proxy.cli import fleet_fanout
from proxy.cli.main import main
from proxy.fleet.spread import PROVEN
from tests.rigs.child import free_ports


@dataclass
class Replica:
    """An admin listener that answers a change as a figway does that is cut off from its store."""

    name: str
    peers: list[str] = field(default_factory=list)
    state: str = "unreachable"
    confirmed: bool = True
    status: int = 200
    # Others that it tells of, as one with a store that works does.
    others: list[str] = field(default_factory=list)
    # Configured peers that it knows no replica by, and whether it says that it hears the store.
    unknown: list[str] = field(default_factory=list)
    proven: bool = False
    # What still holds the scope there, and what it warns of.
    held: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changed: bool = True
    # Others that left the store while it waited for them.
    gone: list[str] = field(default_factory=list)
    # It answers once this is set, and sets the other when it is asked.
    answers: threading.Event | None = None
    heard: threading.Event = field(default_factory=threading.Event)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> Self:
        replica = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ready = self.path == "/readyz?verbose" and replica.proven
                self._answer(404, {"detail": PROVEN if ready else "no plan here"})

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                replica.asked.append(
                    {"path": self.path, "token": self.headers["Authorization"]}
                    | json.loads(self.rfile.read(length))
                )
                replica.heard.set()
                if replica.answers is not None:
                    assert replica.answers.wait(30)
                self._answer(replica.status, replica.answer())

            def _answer(self, status: int, value: object) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def answer(self) -> dict[str, Any]:
        if self.status != 200:
            return {"detail": "there is no route of that name"}
        own = "applied" if self.confirmed else "unconfirmed"
        words = [(self.name, own), *((name, "applied") for name in self.others)]
        words += ((name, "gone") for name in self.gone)
        return {
            "revision": 1,
            "applied_ms": 1.0,
            "workers": [{"worker": 1, "pid": 7, "ms": 1.0}],
            "unconfirmed": [],
            "holds": [],
            "changed": self.changed,
            "still_held": self.held,
            "warnings": self.warnings,
            "replicas": [
                {"replica": name, "boot": f"boot-{name}", "state": state, "ms": 2, "applied_ms": 1}
                for name, state in words
            ],
            "fleet": {
                "state": self.state,
                "revision": 0,
                "detail": "down",
                "peers": self.peers,
                "unknown": self.unknown,
            },
        }


@pytest.fixture
def start() -> Iterator[Callable[..., Replica]]:
    with ExitStack() as stack:
        yield lambda name, **said: stack.enter_context(Replica(name, **said))


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIGWAY_TOKEN", "secret")
    monkeypatch.setenv("FIGWAY_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("FIGWAY_PEERS", raising=False)
    monkeypatch.delenv("FIGWAY_ADMIN", raising=False)


def roll_back(admin: str, *words: str) -> int:
    return main(["rollback", "--route", "a", "--reason", "INC-42", "--admin", admin, *words])


def words(text: str) -> dict[str, str]:
    return {each["replica"]: each["state"] for each in json.loads(text)["replicas"]}


@contextmanager
def mute() -> Iterator[str]:
    """The address of one that takes connections and never answers, as a frozen figway does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def dead() -> str:
    [port] = free_ports(1)
    return f"http://127.0.0.1:{port}"


def test_while_the_store_works_it_tells_the_others_and_they_are_named(
    start: Callable[..., Replica], capsys: pytest.CaptureFixture[str]
) -> None:
    first = start("a", state="shared", others=["b"])
    assert roll_back(first.url) == 0
    out = capsys.readouterr().out
    assert "rolled back route:a: 2 replicas confirmed in 2.0 ms" in out
    assert "\n  b: 2.0 ms\n" in out


def test_without_the_store_every_peer_is_asked_with_the_same_token_and_told(
    start: Callable[..., Replica], capsys: pytest.CaptureFixture[str]
) -> None:
    others = [start("b"), start("c")]
    first = start("a", peers=[each.url for each in others])
    assert roll_back(first.url, "--json") == 0
    for each in (first, *others):
        [asked] = each.asked
        assert asked["path"] == "/api/v1/rollback"
        assert (asked["token"], asked["reason"]) == ("Bearer secret", "INC-42")
    assert words(capsys.readouterr().out) == dict.fromkeys("abc", "applied")


def test_a_resume_goes_the_same_way(start: Callable[..., Replica]) -> None:
    other = start("b")
    first = start("a", peers=[other.url])
    command = ["resume", "--all", "--reason", "over", "--force", "--admin", first.url]
    assert main(command) == 0
    assert [(asked["path"], asked["force"]) for asked in other.asked] == [("/api/v1/resume", True)]


@pytest.mark.parametrize(
    ("said", "word"),
    [
        pytest.param({"confirmed": False}, "b: NOT confirmed", id="does not confirm"),
        pytest.param({"status": 404}, "refused (there is no route of that name)", id="refuses"),
    ],
)
def test_a_peer_that_does_not_confirm_is_named_and_the_exit_code_says_so(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    said: dict[str, Any],
    word: str,
) -> None:
    other = start("b", **said)
    assert roll_back(start("a", peers=[other.url]).url) == 1
    out = capsys.readouterr().out
    assert "NOT confirmed by" in out
    assert word in out


def test_a_peer_that_is_dead_is_named(
    start: Callable[..., Replica], capsys: pytest.CaptureFixture[str]
) -> None:
    gone = dead()
    assert roll_back(start("a", peers=[gone]).url) == 1
    assert f"{gone}: unreachable (cannot reach figway at {gone}" in capsys.readouterr().out


def test_a_figway_without_store_and_without_peers_says_that_nobody_else_was_told(
    start: Callable[..., Replica], capsys: pytest.CaptureFixture[str]
) -> None:
    assert roll_back(start("a").url) == 1
    assert "FIGWAY_PEERS names whom to ask" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["environment", "state directory"])
def test_when_the_figway_here_is_down_the_others_are_asked_all_the_same(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    where: str,
) -> None:
    others = [start("b"), start("c")]
    if where == "environment":
        monkeypatch.setenv("FIGWAY_PEERS", ", ".join(each.url for each in others))
    else:
        (tmp_path / "peers.json").write_text(json.dumps({"peers": [e.url for e in others]}))
    here = dead()
    # Its workers may still serve: that it is not known to have rolled back is no success.
    assert roll_back(here, "--json") == 1
    assert words(capsys.readouterr().out) == {here: "unreachable", "b": "applied", "c": "applied"}


def test_when_nobody_is_known_the_command_ends_as_it_always_did(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert roll_back(dead()) == 2
    assert "is `figway serve` running?" in capsys.readouterr().err
    (tmp_path / "peers.json").write_text("{torn")
    assert roll_back(dead()) == 2


def test_peers_of_peers_are_asked_and_each_only_once(
    start: Callable[..., Replica], capsys: pytest.CaptureFixture[str]
) -> None:
    far = start("c")
    near = start("b")
    first = start("a", peers=[near.url])
    near.peers = [far.url, first.url, near.url]
    far.peers = [near.url]
    assert roll_back(first.url, "--json") == 0
    assert [len(each.asked) for each in (first, near, far)] == [1, 1, 1]
    assert words(capsys.readouterr().out) == dict.fromkeys("abc", "applied")


def test_a_peer_that_reaches_the_store_speaks_for_those_who_confirmed_there(
    start: Callable[..., Replica], capsys: pytest.CaptureFixture[str]
) -> None:
    other = start("b", state="shared", others=["c"])
    assert roll_back(start("a", peers=[other.url]).url, "--json") == 0
    assert words(capsys.readouterr().out) == dict.fromkeys("abc", "applied")


def test_a_replica_that_is_silent_in_the_store_is_asked_and_left_out_if_it_is_dead(
    start: Callable[..., Replica], capsys: pytest.CaptureFixture[str]
) -> None:
    cut_off = start("c")
    first = start("a", state="shared", others=["b"], peers=[cut_off.url, dead()])
    assert roll_back(first.url, "--json") == 0
    assert len(cut_off.asked) == 1
    assert words(capsys.readouterr().out) == dict.fromkeys("abc", "applied")
    cut_off.confirmed = False
    assert roll_back(first.url) == 1
    assert "c: NOT confirmed" in capsys.readouterr().out


def test_figways_of_before_there_were_fleets_are_understood(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def before(self: Replica) -> dict[str, Any]:
        said = answer(self)
        return {key: said[key] for key in said if key not in ("replicas", "fleet")}

    answer = Replica.answer
    old = start("b")
    assert roll_back(start("a", peers=[old.url]).url) == 0
    monkeypatch.setattr(Replica, "answer", before)
    assert roll_back(old.url) == 0
    assert "rolled back route:a: 1 worker confirmed in 1.0 ms" in capsys.readouterr().out
    monkeypatch.setenv("FIGWAY_PEERS", old.url)
    assert roll_back(dead(), "--json") == 1
    assert words(capsys.readouterr().out)[old.url] == "applied"


def test_a_figway_that_hangs_is_passed_over(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet_fanout, "GRACE_SECONDS", 0.2)
    other = start("b")
    monkeypatch.setenv("FIGWAY_PEERS", other.url)
    # It takes connections, and never answers.
    with socket.create_server(("127.0.0.1", 0)) as hung:
        here = f"http://127.0.0.1:{hung.getsockname()[1]}"
        assert roll_back(here, "--json", "--wait", "0.1") == 1
    assert words(capsys.readouterr().out) == {here: "unreachable", "b": "applied"}


def test_a_replica_that_is_silent_in_the_store_and_takes_connections_is_not_taken_for_dead(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet_fanout, "UNHEARD_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        assert roll_back(start("a", state="shared", peers=[url]).url, "--json") == 1
    assert words(capsys.readouterr().out) == {"a": "applied", url: "unreachable"}


def test_replicas_without_any_store_are_asked_by_their_addresses(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # Those that a store told of once are no replicas of today.
    (tmp_path / "peers.json").write_text(json.dumps({"peers": [dead()]}))
    other = start("b", state="apart")
    first = start("a", state="apart", peers=[other.url])
    assert roll_back(first.url, "--json") == 0
    assert words(capsys.readouterr().out) == dict.fromkeys("ab", "applied")
    # Known to the command alone, and one of them by its other address.
    first.peers = []
    monkeypatch.setenv("FIGWAY_PEERS", f"{other.url}, {first.url.replace('127.0.0.1', '127.1')}")
    assert roll_back(first.url, "--json") == 0
    assert words(capsys.readouterr().out) == dict.fromkeys("ab", "applied")
    # It is by itself, and so it is named by its address.
    monkeypatch.setenv("FIGWAY_PEERS", other.url.removeprefix("http://"))
    monkeypatch.setattr(Replica, "answer", by_itself)
    assert roll_back(first.url, "--json") == 0
    assert words(capsys.readouterr().out) == dict.fromkeys((first.url, other.url), "applied")
    monkeypatch.setenv("FIGWAY_PEERS", first.url)
    assert roll_back(first.url) == 0
    assert "rolled back route:a: 1 worker confirmed" in capsys.readouterr().out


def by_itself(replica: Replica, answer: Callable[[Replica], Any] = Replica.answer) -> Any:
    return {**answer(replica), "replicas": [], "fleet": {"state": "alone", "peers": []}}


@pytest.mark.parametrize("state", ["unreachable", "apart"])
def test_what_still_holds_on_a_peer_is_told_and_the_exit_code_says_so(
    start: Callable[..., Replica], capsys: pytest.CaptureFixture[str], state: str
) -> None:
    warned = ["it could not be kept on disk"]
    other = start("b", state=state, held=["sentinel"], warnings=warned)
    first = start("a", state=state, peers=[other.url], changed=False)
    command = ["resume", "--all", "--reason", "over", "--admin", first.url]
    assert main(command) == 1
    out = capsys.readouterr().out
    assert out.startswith(
        "NOT resumed: still held by sentinel on b\n  on b: remove the sentinel file"
    )
    assert "warning: b: it could not be kept on disk" in out
    other.held = []
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("resumed all"), "it was held on the other"
    first.held = ["flag"]
    assert main([*command, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["still_held"] == ["flag"]


@pytest.mark.parametrize("where", ["the figway that is asked", "the command"])
def test_a_peer_that_the_store_never_saw_is_asked_unless_it_hears_the_store(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    by_another_name, cut_off = start("b", proven=True), start("c")
    first = start("a", state="shared", others=["b"])
    unknown = [by_another_name.url, cut_off.url, dead()]
    if where == "the command":
        monkeypatch.setenv("FIGWAY_PEERS", ",".join((*unknown, first.url)))
    else:
        first.unknown = unknown
    assert roll_back(first.url, "--json") == 0
    assert words(capsys.readouterr().out) == dict.fromkeys("abc", "applied")
    assert [len(each.asked) for each in (first, by_another_name, cut_off)] == [1, 0, 1]
    cut_off.confirmed = False
    assert roll_back(first.url) == 1
    assert "c: NOT confirmed" in capsys.readouterr().out


def test_while_the_first_says_nothing_the_others_are_rolled_back_at_once(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = start("b")
    monkeypatch.setenv("FIGWAY_PEERS", other.url)
    with ThreadPoolExecutor() as pool, socket.create_server(("127.0.0.1", 0)) as frozen:
        here = f"http://127.0.0.1:{frozen.getsockname()[1]}"
        done = pool.submit(roll_back, here, "--json", "--wait")
        asking, _ = frozen.accept()
        with asking:
            assert other.heard.wait(30)
            assert not done.done(), "it is still waited for"
        assert done.result(30) == 1
    told = capsys.readouterr()
    assert f"{here} has not answered after 1 s; asking the others as well" in told.err
    assert words(told.out) == {here: "unreachable", "b": "applied"}
    [late] = [each["ms"] for each in json.loads(told.out)["replicas"] if each["replica"] == "b"]
    assert late >= 1000, "from the start of the command"


def test_a_first_that_answers_a_moment_later_counts_as_if_nobody_else_had_been_asked(
    start: Callable[..., Replica], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = start("b", state="shared", others=["a"])
    first = start("a", state="shared", others=["b"], answers=other.heard)
    hung = start("c", answers=threading.Event())
    kept = {"peers": [other.url, dead(), hung.url]}
    (tmp_path / "peers.json").write_text(json.dumps(kept))
    try:
        assert roll_back(first.url, "--json") == 0
    finally:
        assert hung.answers is not None
        hung.answers.set()
    assert words(capsys.readouterr().out) == dict.fromkeys("ab", "applied")
    assert (len(first.asked), len(other.asked)) == (1, 1)


def test_a_first_without_a_store_that_answers_a_moment_later_is_one_of_all(
    start: Callable[..., Replica], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other, named = start("b", state="apart"), start("c", state="apart")
    first = start("a", state="apart", peers=[named.url], answers=other.heard)
    # One of these was a replica once.
    (tmp_path / "peers.json").write_text(json.dumps({"peers": [other.url, dead()]}))
    assert roll_back(first.url, "--json") == 0
    assert words(capsys.readouterr().out) == dict.fromkeys("abc", "applied")


def test_a_first_that_refuses_when_others_have_rolled_back_is_named_beside_them(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = start("b")
    first = start("a", status=404, answers=other.heard)
    monkeypatch.setenv("FIGWAY_PEERS", other.url)
    assert roll_back(first.url, "--json") == 1
    assert words(capsys.readouterr().out) == {first.url: "refused", "b": "applied"}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["resume"], id="a resume"),
        pytest.param(["rollback", "--if-revision", "7"], id="a rollback on a condition"),
    ],
)
def test_what_may_move_traffic_or_be_refused_is_asked_of_one_after_the_other(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    monkeypatch.setattr(fleet_fanout, "HEDGE_SECONDS", 0.0)
    other = start("b", proven=True)
    monkeypatch.setenv("FIGWAY_PEERS", other.url)
    first = start("a", state="shared")
    scope = ["--route", "a", "--reason", "over", "--admin", first.url]
    assert main([*command, *scope]) == 0
    assert other.asked == []
    assert "the others are asked after 10 s without an answer" in capsys.readouterr().err


def test_a_first_that_hangs_and_has_left_the_store_is_not_waited_for_and_listed_once(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with mute() as here:
        other = start("b", state="shared", peers=[here], gone=["a"])
        monkeypatch.setenv("FIGWAY_PEERS", other.url)
        assert roll_back(here, "--json", "--wait") == 1
    assert words(capsys.readouterr().out) == {here: "unreachable", "b": "applied"}


def test_a_first_that_is_dead_and_has_left_the_store_is_gone(
    start: Callable[..., Replica],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, also = dead(), dead()
    other = start("b", state="shared", peers=[here, also], gone=["a"])
    monkeypatch.setenv("FIGWAY_PEERS", f"{other.url},{also}")
    assert roll_back(here, "--json") == 0
    told = capsys.readouterr()
    assert words(told.out) == {"a": "gone", "b": "applied"}
    assert f"cannot reach figway at {here}" in told.err
    other.peers, other.unknown = [also], [here]
    assert roll_back(here, "--json") == 0, "it was forgotten since"
    other.unknown = []
    assert roll_back(here, "--json") == 1, "the store has not lost it"


@pytest.mark.parametrize(
    ("held", "mend"),
    [
        ("sentinel on c", "remove the sentinel file, which `figway status` names there, then"),
        ("flag of all on c", "turn the flag off where it was set"),
        ("signal of group:g on c", "figway resume --group g\n"),
        ("command on c", "figway resume --route a\n"),
    ],
)
def test_a_resume_names_what_still_holds_on_another_replica_and_what_ends_it(
    start: Callable[..., Replica], capsys: pytest.CaptureFixture[str], held: str, mend: str
) -> None:
    first = start("a", state="shared", others=["b", "c"], held=["flag", held])
    assert main(["resume", "--route", "a", "--reason", "over", "--admin", first.url]) == 1
    told = capsys.readouterr().out.splitlines(keepends=True)
    assert told[0] == f"NOT resumed: still held by flag, {held}\n"
    assert told[1].startswith(f"  on c: {mend}")
    assert told[2].startswith("route:a is still rolled back, what else held it has ended: 3 repl")


def test_a_status_that_cannot_be_had_names_who_else_can_be_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here, other = dead(), "http://proxy-3:9900"
    command = ["status", "--admin", here]
    assert main(command) == 2
    assert capsys.readouterr().err.endswith("--admin or FIGWAY_ADMIN name another address\n")
    monkeypatch.setenv("FIGWAY_PEERS", f"proxy-2:9900,{here}")
    (tmp_path / "peers.json").write_text(json.dumps({"peers": [here, other]}))
    assert main(command) == 2
    named = f"name another address: http://proxy-2:9900, {other}\n"
    assert capsys.readouterr().err.endswith(named)
