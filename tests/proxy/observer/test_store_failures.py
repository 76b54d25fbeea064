"""The store on a bad day: locked, full, damaged, foreign. Evidence may be late, never wrong."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.evidence.outcome import Outcome
from proxy.evidence.settled import Settled
from proxy.observer import store as store_module
from proxy.observer import store_backlog
from proxy.observer.store import EvidenceStore, StoreError
from proxy.observer.store_schema import VERSION
from proxy.observer.store_writer import Writer
from tests.proxy.observer.evidence_rig import (
    BOOT,
    ROUTE,
    Events,
    a_store,
    balanced,
    end,
    ledger,
    mismatch,
    open_store,
    report_of,
)

NAME = "evidence.sqlite"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "RETRY_SECONDS", 0.02)


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_database_and_log_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with a_store(folder) as store:
        store.settle([end()])
        assert store.flush()
        assert {path.name for path in folder.iterdir()} >= {NAME, f"{NAME}-wal"}
        assert modes(folder) == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_database_with_open_permissions_is_closed_to_others(tmp_path: Path) -> None:
    with a_store(tmp_path):
        pass
    (tmp_path / NAME).chmod(0o644)
    with a_store(tmp_path):
        assert modes(tmp_path) == {0o600}


def overwrite(path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to be looked at" * 40)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("damage", [overwrite, cut], ids=["overwritten", "cut"])
def test_a_damaged_file_is_set_aside_and_not_deleted(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / NAME
    with a_store(tmp_path) as store:
        store.settle(mismatch(n) for n in range(200))
    damage(path)
    damaged = path.read_bytes()
    events = Events()
    with a_store(tmp_path, events=events) as store:
        store.settle(end(n) for n in range(3))
        store.enter([ledger(300)], {(BOOT, ROUTE): 0})
        report = report_of(store)
        assert store.error == ""
        assert store.failures() == {"corrupt": 1}
    aside = tmp_path / f"{NAME}.corrupt-1"
    assert aside.read_bytes() == damaged
    assert "evidence_set_aside" in events.names
    assert report.outcomes["match"] == 3
    # What was in it is lost and says so.
    assert report.outcome_details["shed"] == {"observer_lost": 297}
    assert balanced(report)
    assert modes(tmp_path) == {0o600}


def test_a_second_damaged_file_does_not_replace_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        (tmp_path / NAME).write_bytes(b"x" * 4096)
        with a_store(tmp_path) as store:
            assert store.flush()
    assert {path.name for path in tmp_path.iterdir()} >= {
        f"{NAME}.corrupt-1",
        f"{NAME}.corrupt-2",
    }


def test_a_newer_schema_is_refused_with_the_mend(tmp_path: Path) -> None:
    with a_store(tmp_path):
        pass
    with sqlite3.connect(tmp_path / NAME) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match=rf"newer Figway \(schema {VERSION + 1}.*run that version"):
        open_store(tmp_path / NAME)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / NAME) as db:
        db.execute("CREATE TABLE precious (x)")
    db.close()
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(StoreError, match="another program"):
        open_store(tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == before


def test_a_folder_that_cannot_be_made_is_refused_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="name a state directory"):
        open_store(tmp_path / "file" / NAME)


def test_evidence_waits_for_a_lock_and_is_written_then(tmp_path: Path) -> None:
    events = Events()
    with a_store(tmp_path, events=events) as store:
        assert store.flush()
        other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store.settle(mismatch(n) for n in range(5))
        assert not store.flush()
        assert store.error.startswith("locked: ")
        assert store.failures()["locked"] >= 1
        report = report_of(store)
        assert report.store_error == store.error
        assert any("evidence is not being written" in each for each in report.reasons)
        other.execute("COMMIT")
        other.close()
        assert wait_for_health(store)
        report = report_of(store)
        assert (report.outcomes["mismatch"], report.store_error) == (5, "")
        assert report.causes[0].count == 5
    assert events.names == ["evidence_not_written", "evidence_written_again"]


def test_a_defect_is_told_without_what_a_client_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object) -> None:
        raise ValueError("card 4111 1111 1111 1111")

    events = Events()
    with a_store(tmp_path, events=events) as store:
        assert store.flush()
        monkeypatch.setattr(Writer, "write", defect)
        store.settle([end()])
        store.flush()
        assert store.error.startswith("defect: ValueError at test_store_failures.py:")
        assert "4111" not in f"{store.error}{report_of(store).reasons}{list(events)}"


def wait_for_health(store: EvidenceStore) -> bool:
    """Ask until it writes again; each flush waits for one try."""
    return any(store.flush() for _ in range(50))


def test_a_full_disk_is_told_and_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    write = Writer.write

    def fail(self: Writer, *args: Any) -> Any:
        if full:
            # As SQLite says it: the page limit stands in for the disk.
            self.db.execute("PRAGMA max_page_count = 1")
            try:
                return write(self, *args)
            finally:
                self.db.execute("PRAGMA max_page_count = 1000000")
        return write(self, *args)

    monkeypatch.setattr(Writer, "write", fail)
    with a_store(tmp_path) as store:
        store.settle(mismatch(n) for n in range(400))
        assert not store.flush()
        assert store.error.startswith("full: ")
        full = False
        assert wait_for_health(store)
        assert report_of(store).outcomes["mismatch"] == 400


def test_when_too_much_waits_only_counts_are_kept_and_mismatches_still_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_backlog, "MOST_WHOLE", 10)
    with a_store(tmp_path) as store:
        assert store.flush()
        other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for n in range(30):
            store.settle([end(n), mismatch(100 + n)])
        store.settle([end(500, outcome=Outcome.SHADOW_TIMEOUT)])
        store.enter([ledger(61)], {})
        assert not store.flush()
        other.execute("COMMIT")
        other.close()
        assert wait_for_health(store)
        report = report_of(store)
        assert store.thinned > 0
    assert (report.outcomes["match"], report.outcomes["mismatch"]) == (30, 30)
    assert report.rates[1].mismatches == 31
    assert (report.rates[0].mismatches, report.unaccounted) == (1, 0)
    # A match without its signature does not speak for the route.
    assert report.compared < 61
    assert balanced(report)


def test_ledgers_that_wait_for_a_bad_disk_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_backlog, "MOST_ENTRIES", 20)
    with a_store(tmp_path) as store:
        assert store.flush()
        other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store.enter([ledger(0)], {}, recover=True)
        for n in range(1, 200):
            store.settle([end(n)])
            store.enter([ledger(n)], {})
        assert not store.flush()
        assert int(repr(store).split()[-2]) <= 21
        other.execute("COMMIT")
        other.close()
        assert wait_for_health(store)
        report = report_of(store)
    assert (report.eligible, report.outcomes["match"], report.unaccounted) == (199, 199, 0)


def test_an_end_that_cannot_be_written_for_ever_costs_only_itself(tmp_path: Path) -> None:
    """A defect of ours must not stop the books: the batch is written as bare counts."""
    broken: Settled = end(1, signature=object())
    with a_store(tmp_path) as store:
        store.settle([broken, end(2)])
        assert store.flush()
        store.settle([end(3)])
        report = report_of(store)
        assert store.failures()["defect"] == 1
    assert (report.outcomes["match"], report.compared) == (3, 1)
    assert balanced(report)


def test_a_database_that_somebody_removed_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAINTENANCE_SECONDS", 0.02)
    with a_store(tmp_path) as store:
        assert store.flush()
        for path in tmp_path.iterdir():
            path.unlink()
        # The next rounds of maintenance notice.
        assert any(_is_there(store, tmp_path) for _ in range(200))
        store.settle([end()])
        assert report_of(store).outcomes["match"] == 1


def _is_there(store: EvidenceStore, folder: Path) -> bool:
    store.settle([end(1, route="other")])
    store.flush()
    return (folder / NAME).exists()


def test_a_log_that_fails_costs_no_evidence(tmp_path: Path) -> None:
    class Broken(Events):
        def tell(self, event: str, facts: object) -> None:
            raise RuntimeError(event)

    (tmp_path / NAME).write_bytes(b"x" * 4096)
    with a_store(tmp_path, events=Broken()) as store:
        store.settle([end()])
        assert report_of(store).outcomes["match"] == 1


def test_closing_writes_what_waits_and_says_that_nobody_writes_any_more(tmp_path: Path) -> None:
    with a_store(tmp_path) as store:
        store.settle([end()])
    assert store.error.startswith("closed")
    assert not store.flush()
    with a_store(tmp_path) as again:
        assert report_of(again).outcomes["match"] == 1
