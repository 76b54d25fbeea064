"""A small real origin: says who it is, counts what reached it, and can be held in the middle."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Origin:
    """An HTTP/1.1 server on its own threads. Use it as a context manager."""

    def __init__(self, name: str) -> None:
        self.name = name
        # What reached it: method, target and the length of the body, health checks left out.
        self.seen: list[tuple[str, str, int]] = []
        self.healthy = True
        # A request to /held waits for this after it has been seen.
        self.release = threading.Event()
        self.held = threading.Semaphore(0)
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Several writes per response would wait for each other's acknowledgement.
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                if self.path == "/healthz":
                    return self.answer(200 if origin.healthy else 503)
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                origin.seen.append((self.command, self.path, len(body)))
                if self.path.startswith("/held"):
                    origin.held.release()
                    origin.release.wait(30)
                return self.answer(200)

            def do_POST(self) -> None:
                self.do_GET()

            def do_HEAD(self) -> None:
                self.do_GET()

            def answer(self, status: int) -> None:
                body = f"{origin.name}\n".encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Origin", origin.name)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *_: Any) -> None:
                """A connection that the proxy drops is no event here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Start serving."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name=self.name, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
