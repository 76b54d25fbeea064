"""The observer's priority: every thread gives way, and so does whatever is begun later."""

from __future__ import annotations

import json
import os
import subprocess
import sys

CHILD = """
import errno, json, os, subprocess, sys, threading
from proxy.observer.priority import step_back

def refuse(*_):
    raise PermissionError(errno.EPERM, "no")

if "refused" in sys.argv:
    os.sched_setscheduler = refuse

met, done = threading.Barrier(2), threading.Event()

def wait():
    met.wait()
    done.wait()

old = threading.Thread(target=wait)
old.start()
met.wait()
how = step_back()
new = threading.Thread(target=wait)
new.start()
met.wait()
tasks = [int(name) for name in os.listdir("/proc/self/task")]
child = subprocess.run(
    [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"],
    capture_output=True, text=True, check=True,
)
done.set()
print(json.dumps({
    "how": how,
    "policies": [os.sched_getscheduler(task) for task in tasks],
    "nice": [os.getpriority(os.PRIO_PROCESS, task) for task in tasks],
    "child": int(child.stdout),
}))
"""


def stepped_back(*words: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *words], capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_every_thread_and_child_gives_way_at_once() -> None:
    found = stepped_back()
    assert found["how"] == "idle"
    assert found["policies"] == [os.SCHED_IDLE] * 3
    assert found["child"] == os.SCHED_IDLE


def test_where_that_is_not_allowed_it_is_as_nice_as_can_be() -> None:
    found = stepped_back("refused")
    assert (found["how"], found["nice"]) == ("nice 19", [19] * 3)
