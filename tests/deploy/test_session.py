"""A session hears every signal, whatever it is doing just then."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.rigs.child import ROOT

# Signals come from outside at any moment, while the process does nothing but wait.
WAITING = """
import os
from deploy.session import Stop
stop = Stop()
print("ready", flush=True)
while stop.times < 2000:
    stop.wait(0.0001)
stop.wait(60)
# At once: while an interpreter ends it hears nothing any more.
os._exit(0 if stop.asked() else 1)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_while_it_waits_is_no_deadlock(number: signal.Signals) -> None:
    waiting = subprocess.Popen(
        [sys.executable, "-c", WAITING], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "ready\n"
        for _ in range(100_000):
            if waiting.poll() is not None:
                break
            waiting.send_signal(number)
            # One at a time: a flood would run the handler within the handler.
            time.sleep(0.0003)
        assert waiting.wait(30) == 0
    finally:
        waiting.kill()
        waiting.communicate()
