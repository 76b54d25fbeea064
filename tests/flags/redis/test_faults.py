"""Errors of every kind, as the words of the health and a sentence with the mend."""

from __future__ import annotations

import asyncio

import pytest
from redis import exceptions

from flags.redis.faults import fault_of

SHA = "f_6b1bf486c81ceb7edf3c093f4c48582e38c0e791"


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        pytest.param(exceptions.BusyLoadingError("x"), "loading", "reading its data", id="loading"),
        pytest.param(exceptions.ReadOnlyError("x"), "read_only", "is a replica", id="read-only"),
        pytest.param(
            exceptions.ResponseError(
                f"Error running script (call to {SHA}): @user_script:12: @user_script: 12: "
                "-READONLY You can't write against a read only replica."
            ),
            "read_only",
            "is a replica",
            id="read-only-in-a-script-of-redis-6",
        ),
        pytest.param(
            exceptions.ResponseError(
                f"Error running script (call to {SHA}): @user_script:12: @user_script: 12: "
                "-OOM command not allowed when used memory > 'maxmemory'."
            ),
            "full",
            "raise maxmemory",
            id="full-in-a-script-of-redis-6",
        ),
        pytest.param(
            exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots, but"),
            "read_only",
            "cannot save",
            id="misconf",
        ),
        pytest.param(
            exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
            "read_only",
            "min-replicas-to-write",
            id="no-replicas",
        ),
        pytest.param(
            exceptions.AuthenticationError("invalid username-password pair"),
            "refused",
            "user and password",
            id="password",
        ),
        pytest.param(exceptions.NoPermissionError("x"), "refused", "ACL needs", id="acl"),
        pytest.param(
            exceptions.ResponseError(
                "The user executing the script can't run this command or subcommand script: "
                f"{SHA}, on @user_script:9."
            ),
            "refused",
            "ACL needs",
            id="acl-in-a-script",
        ),
        pytest.param(
            exceptions.ClusterDownError("CLUSTERDOWN The cluster is down"),
            "down",
            "look at its nodes",
            id="cluster-down",
        ),
        pytest.param(exceptions.MovedError("1 127.0.0.1:1"), "down", "our slot", id="moved"),
        pytest.param(exceptions.AskError("1 127.0.0.1:1"), "down", "moving our slot", id="ask"),
        pytest.param(exceptions.MasterDownError("x"), "down", "lost its master", id="master-down"),
        pytest.param(TimeoutError(), "down", "does not answer in time", id="timeout"),
        pytest.param(exceptions.TimeoutError("x"), "down", "does not answer in time", id="theirs"),
        pytest.param(
            exceptions.ConnectionError("Connection closed by server."),
            "down",
            "it closed the connection",
            id="closed",
        ),
        pytest.param(ConnectionResetError(104, "x"), "down", "cannot be reached", id="reset"),
        pytest.param(exceptions.InvalidResponse("x"), "refused", "not speak Redis", id="protocol"),
        pytest.param(
            exceptions.ResponseError("unknown command 'EVAL'"),
            "refused",
            "refuses: unknown command 'EVAL'",
            id="command",
        ),
        pytest.param(asyncio.IncompleteReadError(b"", 1), "down", "cannot be reached", id="torn"),
    ],
)
def test_an_error_has_its_state_and_its_mend(error: Exception, state: str, words: str) -> None:
    fault = fault_of(error, "redis.example:6379")
    assert fault.state == state
    assert words in fault.detail
    assert "redis.example:6379" in fault.detail


@pytest.mark.parametrize(
    ("error", "final", "elsewhere"),
    [
        pytest.param(exceptions.ReadOnlyError("x"), True, True, id="a-demoted-primary"),
        pytest.param(exceptions.OutOfMemoryError("x"), True, False, id="full"),
        pytest.param(exceptions.MovedError("1 h:1"), False, True, id="moved"),
        pytest.param(exceptions.TryAgainError("x"), False, False, id="try-again"),
        pytest.param(ConnectionRefusedError(111, "x"), False, False, id="down"),
    ],
)
def test_whether_asking_again_helps(error: Exception, final: bool, elsewhere: bool) -> None:
    fault = fault_of(error, "h:1")
    assert (fault.final, fault.elsewhere) == (final, elsewhere)
