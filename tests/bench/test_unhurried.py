"""The legacy that takes its time: each answer whole, none before its time."""

from __future__ import annotations

import http.client
import sys
import time
from pathlib import Path

from bench.origin import DOCUMENT
from bench.ports import free_ports, wait_until_answering
from bench.processes import OwnedProcess
from tests.rigs.child import ROOT


def test_it_answers_like_the_origin_and_not_before_its_time(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "bench.unhurried", str(port), "60"]
    log = tmp_path / "log"
    with OwnedProcess("unhurried", command, core=None, log=log, folder=ROOT) as process:
        wait_until_answering(process, port)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        for _ in range(2):
            asked = time.perf_counter()
            connection.request("GET", "/s1/item-1")
            answer = connection.getresponse()
            assert (answer.status, answer.read().decode()) == (200, DOCUMENT)
            assert time.perf_counter() - asked >= 0.06
        connection.close()
