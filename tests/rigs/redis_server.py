"""Real redis-servers on loopback: one alone, a trio of sentinels, a cluster of three.

    def test_something(redis_server: RedisServer) -> None:      # a fresh, empty one for every test
        store = connect(redis_server.url)
        redis_server.freeze()           # it is there, and answers nothing; thaw() ends it
        redis_server.kill()             # gone without a word; start() brings it back, empty
        redis_server.command("CLIENT", "PAUSE", "500")

Others are context managers: `with RedisServer(tmp_path, password="x", tls=certificate) as server:`,
`with Sentinels(tmp_path) as sentinels:`, `with RedisCluster(tmp_path) as cluster:`.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self
from urllib.parse import quote

import pytest

from tests.rigs.certificates import Certificate
from tests.rigs.child import Child, free_ports

_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 30.0
# How often sentinels ask, in milliseconds. During a failover they ask for INFO once a second, which
# no setting changes. Five ping periods have to be longer: an older INFO makes "no good slave". And
# so have four publish periods: after them whoever has not heard of the failover turns it back.
_HASTE = (
    *("info-period", "200", "ping-period", "300", "ask-period", "100"),
    *("publish-period", "500", "slave-reconf-timeout", "1000", "failover-timeout", "1000"),
)


class RedisServer:
    """One redis-server that keeps nothing on disk. `folder` gets its log.

    `settings` are words of redis.conf as options: ("maxmemory", "1mb").
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        password: str = "",
        tls: Certificate | None = None,
        authority: Path | None = None,
        client_certificates: bool = False,
        settings: tuple[str, ...] = (),
    ) -> None:
        self.port = free_ports(1)[0] if port is None else port
        self.password = password
        self.socket = folder / f"redis-{self.port}.sock"
        self._folder, self._tls, self._authority = folder, tls, authority
        self._client_certificates = client_certificates
        self._settings = settings
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """redis:// or rediss://, with the password."""
        scheme = "rediss" if self._tls else "redis"
        credentials = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"{scheme}://{credentials}127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> Self:
        """Start it, empty, and wait until it answers."""
        assert self.child is None, "it runs already"
        self.child = Child(
            [_program("redis-server"), *self._options()],
            log=self._folder / f"redis-{self.port}.log",
            directory=self._folder,
        )
        try:
            self.child.wait_until(self._answers, _PATIENCE_SECONDS)
        except BaseException:
            self.kill()
            raise
        return self

    def kill(self) -> None:
        """End it at once: nothing is written, no connection is closed in order."""
        if self.child is not None:
            self.child.signal_group(signal.SIGKILL)
            self.child.end()
            self.child = None

    def freeze(self) -> None:
        """Have it do nothing at all; the kernel still accepts connections for it."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """End a freeze()."""
        self._signal(signal.SIGCONT)

    def command(self, *words: str, checked: bool = True) -> str:
        """What redis-cli prints for a command. AssertionError for one that Redis refuses."""
        done = self._cli(*words)
        refused = done.returncode != 0 or done.stdout.startswith(
            ("ERR ", "NOAUTH", "WRONGTYPE", "READONLY", "MOVED", "LOADING")
        )
        assert not (checked and refused), f"{words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def _cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        options = ["-p", str(self.port)]
        if self._tls:
            assert self._authority is not None
            options += ["--tls", "--cacert", str(self._authority)]
            options += ["--cert", str(self._tls.certificate), "--key", str(self._tls.key)]
        if self.password:
            options += ["-a", self.password, "--no-auth-warning"]
        return subprocess.run(
            [_program("redis-cli"), *options, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )

    def _answers(self) -> bool:
        return self._cli("PING").stdout.strip() == "PONG"

    def _signal(self, number: int) -> None:
        assert self.child is not None, "it does not run"
        self.child.process.send_signal(number)

    def _options(self) -> list[str]:
        # The socket by its name in the folder: addresses of sockets are short.
        words = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        words += ["--enable-debug-command", "local", "--unixsocket", self.socket.name]
        # A primary waits 5 s for more replicas before it sends what it has.
        words += ["--repl-diskless-sync-delay", "0"]
        if self._tls:
            assert self._authority is not None, "with a certificate comes who signed it"
            words += ["--port", "0", "--tls-port", str(self.port)]
            words += ["--tls-cert-file", str(self._tls.certificate)]
            words += ["--tls-key-file", str(self._tls.key)]
            words += ["--tls-ca-cert-file", str(self._authority)]
            words += ["--tls-auth-clients", "yes" if self._client_certificates else "no"]
        else:
            words += ["--port", str(self.port)]
        if self.password:
            words += ["--requirepass", self.password]
            words += ["--masterauth", self.password]
        for name, value in zip(self._settings[::2], self._settings[1::2], strict=True):
            words += [f"--{name}", value]
        return words


class Sentinels:
    """A primary, a replica of it and three sentinels that agree on who is primary.

    `url` names all three sentinels; `primary()` asks them. Kill `servers[0]` for a failover.
    """

    service = "figway"

    def __init__(self, folder: Path, *, password: str = "") -> None:
        self.servers = (
            RedisServer(folder, password=password),
            RedisServer(folder, password=password),
        )
        self.ports = free_ports(3)
        self.password = password
        self._folder = folder
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """redis+sentinel:// with every sentinel, the service and database 0."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        credentials = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis+sentinel://{credentials}{hosts}/{self.service}/0"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            primary, replica = (stack.enter_context(server) for server in self.servers)
            replica.command("REPLICAOF", "127.0.0.1", str(primary.port))
            wait_until(lambda: "state=online" in primary.command("INFO", "replication"))
            for port in self.ports:
                stack.enter_context(self._start_sentinel(port, primary.port))
                self._ask(port, "DEBUG", *_HASTE)
            # They find each other through the primary.
            wait_until(lambda: all(self._knows_all(port) for port in self.ports))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def primary(self) -> RedisServer:
        """The server that the first sentinel takes for the primary."""
        said = self._ask(self.ports[0], "GET-MASTER-ADDR-BY-NAME", self.service).splitlines()
        return next(server for server in self.servers if str(server.port) == said[1])

    def _start_sentinel(self, port: int, primary: int) -> Child:
        # A sentinel rewrites its file.
        file = self._folder / f"sentinel-{port}.conf"
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"sentinel monitor {self.service} 127.0.0.1 {primary} 2",
            f"sentinel down-after-milliseconds {self.service} 500",
            f"sentinel failover-timeout {self.service} 3000",
        ]
        if self.password:
            lines.append(f"sentinel auth-pass {self.service} {self.password}")
        file.write_text("\n".join(lines) + "\n")
        return Child(
            [_program("redis-server"), file, "--sentinel"],
            log=self._folder / f"sentinel-{port}.log",
            directory=self._folder,
        ).wait_for_port(port)

    def _knows_all(self, port: int) -> bool:
        words = self._ask(port, "MASTER", self.service).splitlines()
        known = dict(zip(words[::2], words[1::2], strict=False))
        return (known.get("num-other-sentinels"), known.get("num-slaves")) == ("2", "1")

    @staticmethod
    def _ask(port: int, *words: str) -> str:
        return subprocess.run(
            [_program("redis-cli"), "-p", str(port), "SENTINEL", *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE_SECONDS,
        ).stdout


class RedisCluster:
    """Three primaries that share the slots. `owner(key)` is the one that holds a key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.servers: tuple[RedisServer, ...] = ()
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """redis-cluster:// with every node."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        return f"redis-cluster://{hosts}"

    def __enter__(self) -> Self:
        # The port of the nodes among themselves would be 10,000 higher, where others may listen.
        ports = free_ports(6)
        self.servers = tuple(
            RedisServer(
                self._folder,
                port=port,
                settings=(
                    *("cluster-port", str(among_themselves)),
                    *("cluster-enabled", "yes", "cluster-node-timeout", "1000"),
                    *("cluster-config-file", f"nodes-{port}.conf"),
                ),
            )
            for port, among_themselves in zip(ports[:3], ports[3:], strict=True)
        )
        with ExitStack() as stack:
            for server in self.servers:
                stack.enter_context(server)
            done = subprocess.run(
                [
                    *(_program("redis-cli"), "--cluster-yes", "--cluster", "create"),
                    *(
                        f"127.0.0.1:{port}@{among_themselves}"
                        for port, among_themselves in zip(ports[:3], ports[3:], strict=True)
                    ),
                ],
                capture_output=True,
                text=True,
                check=False,
                timeout=_PATIENCE_SECONDS,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            wait_until(
                lambda: all(
                    "cluster_state:ok" in server.command("CLUSTER", "INFO")
                    for server in self.servers
                )
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def owner(self, key: str) -> RedisServer:
        """The node that holds the slot of this key."""
        slot = int(self.servers[0].command("CLUSTER", "KEYSLOT", key))
        for line in self.servers[0].command("CLUSTER", "NODES").splitlines():
            address, *rest = line.split()[1:]
            first, _, last = rest[-1].partition("-")
            if first.isdigit() and int(first) <= slot <= int(last or first):
                port = int(address.split("@")[0].rpartition(":")[2])
                return next(server for server in self.servers if server.port == port)
        raise AssertionError(f"nobody holds slot {slot}")


def wait_until(condition: Callable[[], bool], seconds: float = _PATIENCE_SECONDS) -> None:
    """Poll a condition; AssertionError when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(_POLL_SECONDS)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: .ci/install-system fleet")
    return found


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A fresh one for every test; it starts in some milliseconds."""
    with RedisServer(tmp_path) as server:
        yield server
