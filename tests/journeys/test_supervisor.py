"""The life of the process: starting, replacing, reloading, draining, ending."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.journeys.conftest import FLAGS, ROUTES, Shop
from tests.journeys.figway_process import Answer, FigwayProcess, ask, environment, figway


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for has too."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


# Starting.


def test_it_serves_from_any_folder_and_says_where(shop: Shop, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    # What stands in the current directory is not ours to import.
    for name in ("proxy", "flags"):
        (elsewhere / name).mkdir(parents=True)
        (elsewhere / name / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    running = shop.start(cwd=elsewhere).serving()
    assert running.get("/").body == b"legacy\n"
    assert (running.state / "listen").read_text().strip() == running.listen
    assert (running.state / "admin").read_text().strip() == running.admin
    assert running.wait_for("serving")["workers"] == len(running.worker_pids()) == 2
    assert running.stop() == 0
    assert not (running.state / "listen").exists()


def test_the_module_is_the_command(shop: Shop) -> None:
    done = figway("serve", "--workers", "none", environ={"FIGWAY_CONFIG": "x"}, cwd=shop.folder)
    assert done.code == 2
    assert "x" in done.err


def test_a_route_file_with_problems_is_exit_2_with_all_of_them(shop: Shop) -> None:
    shop.write_routes(ROUTES.replace("max_percent: 25", "max_percent: 250").replace("canary", "on"))
    running = shop.start()
    assert running.wait() == 2
    assert "max_percent" in running.err
    assert running.err.count("routes.yaml:") >= 5
    assert "Traceback" not in running.err


def test_it_serves_with_a_stdout_that_is_closed(shop: Shop) -> None:
    words = shop.start().serving().process.args
    assert isinstance(words, list)
    state = shop.folder / "quiet"
    quiet = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&-', "sh", *words, "--state-dir", str(state)],
        env=environment(),
        stderr=subprocess.PIPE,
    )
    try:
        end = time.monotonic() + 20
        while not (state / "listen").exists() and time.monotonic() < end:
            assert quiet.poll() is None
            time.sleep(0.02)
        address = (state / "listen").read_text().strip()
        assert ask(address, "GET", "/product/a").body == b"new\n"
        assert (state / "lock").read_text() == f"{quiet.pid}\n"
    finally:
        quiet.terminate()
        err = quiet.communicate(timeout=20)[1]
    assert err == b""


def test_a_token_that_is_not_ours_to_read_is_named(shop: Shop) -> None:
    (shop.folder / "state" / "admin-token").mkdir(parents=True)
    running = shop.start()
    assert running.wait() == 2
    assert "admin-token cannot be read or written" in running.err
    assert len(running.err.splitlines()) == 1


@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_a_port_in_use_is_named_with_the_mend(shop: Shop, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = shop.start(options=(option, f"127.0.0.1:{port}"))
        assert running.wait() == 2
    assert f"{option}: port {port} on 127.0.0.1 is in use" in running.err
    assert "Traceback" not in running.err


def test_a_second_supervisor_on_the_same_state_is_refused(shop: Shop) -> None:
    first = shop.start().serving()
    second = shop.start()
    assert second.wait() == 2
    assert f"in use by another figway serve (process {first.process.pid})" in second.err
    assert first.get("/").status == 200


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(None, id="missing"),
        pytest.param("rollback: perhaps\n", id="garbled"),
    ],
)
def test_without_a_sound_flag_file_the_last_good_flags_hold_and_else_nothing_is_set(
    shop: Shop, flags: str | None
) -> None:
    def damage() -> None:
        if flags is None:
            shop.folder.joinpath("flags.yaml").unlink()
        else:
            shop.write_flags(flags)

    damage()
    running = shop.start().serving()
    assert running.wait_for("serving")["flags_from"] == "nothing"
    assert running.events("flags_refused")
    assert running.get("/product/a").body == b"legacy\n"
    assert running.metric("figway_config_last_reload_success") == 0
    shop.write_flags()
    running.wait_for("flags_applied")
    assert running.get("/product/a").body == b"new\n"
    running.stop()
    damage()
    running = shop.start().serving()
    assert running.wait_for("serving")["flags_from"] == "last_good"
    assert running.events("flags_refused")
    assert running.get("/product/a").body == b"new\n"


# Workers.


def test_a_killed_worker_is_replaced_and_nothing_is_forgotten(shop: Shop) -> None:
    running = shop.start().serving()
    for _ in range(20):
        assert running.get("/product/a").status == 200
    assert running.metric("figway_requests_total", route="product-page") == 20
    running.run("rollback", "--all", "--reason", "x")
    victim, other = running.worker_pids()
    os.kill(victim, signal.SIGKILL)
    died = running.wait_for("worker_died")
    assert (died["pid"], died["signal"], died["worker"]) == (victim, "SIGKILL", 1)
    # The other one serves meanwhile.
    assert running.get("/product/a").body == b"legacy\n"
    running.wait_until(lambda: [w["state"] for w in running.status()["workers"]] == ["ready"] * 2)
    assert other in running.worker_pids()
    assert victim not in running.worker_pids()
    # The new one starts on the current state, the rollback included.
    assert {running.get("/product/a").body for _ in range(20)} == {b"legacy\n"}
    assert running.metric("figway_requests_total", route="product-page") == 41
    assert running.metric("figway_worker_restarts_total") == 1
    assert running.stop() == 0


def test_a_certificate_that_is_none_is_named_before_anything_starts(shop: Shop) -> None:
    (shop.folder / "no.pem").write_text("this is no certificate\n")
    environ = {
        "FIGWAY_TLS_CERTIFICATE": str(shop.folder / "no.pem"),
        "FIGWAY_TLS_KEY": str(shop.folder / "no.pem"),
    }
    running = shop.start(environ=environ)
    assert running.wait() == 2
    assert "tls_certificate" in running.err
    assert "no.pem" in running.err
    assert running.log == []


def test_workers_end_when_the_supervisor_is_killed(shop: Shop) -> None:
    running = shop.start().serving()
    pids = running.worker_pids()
    running.process.kill()
    running.wait_until(lambda: all(map(is_gone, pids)))
    # The lock has gone with its holder, and so has the port.
    assert shop.start().serving().get("/").status == 200


# Draining.


def test_sigterm_lets_what_was_begun_finish(shop: Shop) -> None:
    running = shop.start().serving()
    answers: list[Answer] = []

    def upload() -> None:
        answers.append(ask(running.listen, "POST", "/held", b"x" * 100_000))

    client = threading.Thread(target=upload)
    client.start()
    assert shop.legacy.held.acquire(timeout=20)
    running.signal(signal.SIGTERM)
    running.wait_for("draining")
    ready = ask(running.admin, "GET", "/readyz")
    assert (ready.status, b"draining" in ready.body) == (503, True)
    assert ask(running.admin, "GET", "/livez").status == 200
    assert running.process.poll() is None
    shop.legacy.release.set()
    client.join()
    assert running.wait() == 0
    assert [answer.body for answer in answers] == [b"legacy\n"]
    assert shop.legacy.seen == [("POST", "/held", 100_000)]
    assert running.events("drained")


def test_a_second_signal_ends_it_at_once(shop: Shop) -> None:
    running = shop.start().serving()
    failures: list[BaseException] = []

    def download() -> None:
        try:
            ask(running.listen, "GET", "/held")
        except (OSError, http.client.HTTPException) as error:
            failures.append(error)

    client = threading.Thread(target=download)
    client.start()
    assert shop.legacy.held.acquire(timeout=20)
    running.signal(signal.SIGINT)
    running.wait_for("draining")
    running.signal(signal.SIGTERM)
    # Cut short is not success; the request that was held never got an answer.
    assert running.wait() == 1
    assert running.events("drain_cut_short")[0]["cause"] == "second signal"
    client.join()
    assert len(failures) == 1


def test_a_drain_has_an_end(shop: Shop) -> None:
    running = shop.start(environ={"FIGWAY_DEADLINES_DRAIN": "0.5s"}).serving()
    with socket.create_connection(tuple_address(running.listen)) as client:
        client.sendall(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        assert shop.legacy.held.acquire(timeout=20)
        running.signal(signal.SIGTERM)
        running.wait()
        assert client.recv(1000) == b""


def tuple_address(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


# Reloading.


def by_watching(running: FigwayProcess) -> None:
    """Do nothing: the file is watched."""


def by_hangup(running: FigwayProcess) -> None:
    running.signal(signal.SIGHUP)


def by_command(running: FigwayProcess) -> None:
    running.run("reload")


@pytest.mark.parametrize("reload", [by_watching, by_hangup, by_command])
def test_a_good_file_is_used_and_a_bad_one_changes_nothing(shop: Shop, reload: object) -> None:
    assert callable(reload)
    running = shop.start().serving()
    before = running.status()["routes"]["revision"]
    shop.write_routes(ROUTES.replace("/account", "/konto"))
    reload(running)
    applied = running.wait_for("config_applied")
    assert applied["before"] == before
    assert running.get("/konto").body == b"new\n"
    assert running.get("/account").body == b"legacy\n"

    shop.write_routes(ROUTES.replace("stage: live", "stage: alive"))
    reload(running)
    refused = running.wait_for("config_refused")
    assert "routes.yaml:" in refused["problems"][0]
    assert "alive" in refused["problems"][0]
    assert running.get("/konto").body == b"new\n"
    assert running.status()["routes"]["revision"] == applied["config_revision"]
    assert running.metric("figway_config_last_reload_success") == 0
    assert running.metric("figway_config_reloads_total", outcome="refused") >= 1
    ready = ask(running.admin, "GET", "/readyz?verbose")
    assert ready.status == 200
    assert b"routes refused" in ready.body
    told = running.run("status").out
    assert "cannot be used, what was read before holds:\n" in told
    assert f"routes.yaml, revision {applied['config_revision']}\n" in told

    shop.write_routes()
    reload(running)
    running.wait_for("config_applied", 2)
    assert running.get("/account").body == b"new\n"
    assert running.metric("figway_config_last_reload_success") == 1
    assert b"refused" not in ask(running.admin, "GET", "/readyz?verbose").body


def test_reload_tells_what_is_wrong_and_fails(shop: Shop) -> None:
    running = shop.start().serving()
    assert running.run("reload").code == 0
    shop.write_routes("version: 1\n")
    shop.write_flags("rollback: [\n")
    command = running.run("reload")
    assert command.code == 1
    assert "routes.yaml: refused" in command.out
    assert "flags.yaml: refused" in command.out
    assert running.get("/product/a").body == b"new\n"


def test_a_mounted_directory_may_swap_its_link(shop: Shop, tmp_path: Path) -> None:
    """A ConfigMap: the file is a link into a directory that is itself a link, renamed over."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "flags.yaml").write_text(FLAGS)
    (tmp_path / "two" / "flags.yaml").write_text(FLAGS.replace("rollback: false", "rollback: true"))
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "flags.yaml").unlink()
    (tmp_path / "flags.yaml").symlink_to("data/flags.yaml")
    running = shop.start().serving()
    assert running.get("/product/a").body == b"new\n"
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "data")
    running.wait_for("flags_applied")
    assert running.get("/product/a").body == b"legacy\n"


def test_a_percentage_that_the_file_forgets_holds(shop: Shop) -> None:
    running = shop.start().serving()
    shop.write_flags(FLAGS.replace("routes:\n  product-page: {percent: 100}", "routes: {}"))
    reloaded = running.run("reload", "--json")
    assert running.get("/product/a").body == b"new\n"
    assert "its last percentage holds" in reloaded.json["warnings"][0]
    running.stop()
    running = shop.start().serving()
    assert running.get("/product/a").body == b"new\n"
    running.run("percent", "product-page", "0", "--reason", "on purpose")
    assert running.get("/product/a").body == b"legacy\n"


def test_invalid_files_in_a_storm_of_reloads_are_never_used(shop: Shop) -> None:
    running = shop.start().serving()
    stop = threading.Event()
    bodies: set[bytes] = set()

    def client() -> None:
        while not stop.is_set():
            bodies.add(running.get("/account").body)

    thread = threading.Thread(target=client)
    thread.start()
    for turn in range(10):
        shop.write_routes(ROUTES if turn % 2 else ROUTES[: len(ROUTES) // 2])
        running.run("reload") if turn % 5 == 0 else running.api("/api/v1/reload", {})
    stop.set()
    thread.join()
    assert bodies == {b"new\n"}


# Health.


HEALTH = ROUTES.replace(
    'catalog: {{urls: ["{new}"]}}',
    'catalog: {{urls: ["{new}"], health: {{path: /healthz, interval: 0.1s}}}}',
)


def test_a_failing_endpoint_is_shown_and_its_only_one_is_still_asked(shop: Shop) -> None:
    shop.write_routes(HEALTH)
    running = shop.start().serving()
    assert running.metric("figway_upstream_healthy", upstream="catalog") == 1
    shop.new.healthy = False
    failed = running.wait_for("endpoint_failed")
    assert (failed["upstream"], failed["error"]) == ("catalog", "status 503")
    assert running.metric("figway_upstream_healthy", upstream="catalog") == 0
    assert running.status()["endpoints"][0]["healthy"] is False
    # All of an upstream's endpoints fail: better to try than to refuse.
    assert running.get("/product/a").body == b"new\n"
    shop.new.healthy = True
    running.wait_for("endpoint_recovered")
    assert running.metric("figway_upstream_healthy", upstream="catalog") == 1
