"""What the commands that change something say of the answer."""

from __future__ import annotations

import pytest

from proxy.cli import fleet_fanout, scope
from proxy.cli.main import main


def test_a_replica_that_is_gone_is_not_counted_among_those_that_confirmed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    word = {"boot": "", "applied_ms": 1.0}
    answer = {
        "unconfirmed": [],
        "workers": [],
        "holds": [],
        "warnings": [],
        "replicas": [
            {**word, "replica": "a", "state": "applied", "ms": 2.0},
            {**word, "replica": "b", "state": "gone", "ms": 3000.0},
        ],
    }
    assert scope.tell(answer, "rolled back all", as_json=False) == 0
    assert capsys.readouterr().out.splitlines() == [
        "rolled back all: 1 replica confirmed in 2.0 ms",
        "  a: 2.0 ms",
        "  b: is gone",
    ]


@pytest.mark.parametrize("command", ["rollback", "resume"])
def test_help_says_how_long_beyond_the_wait_a_command_may_take(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert f"is given up {fleet_fanout.GRACE_SECONDS:g} s after that" in told
