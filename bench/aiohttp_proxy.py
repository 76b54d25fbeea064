"""A plain aiohttp reverse proxy, streaming, on uvloop: what one writes in an afternoon. A peer."""

from __future__ import annotations

import argparse

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from proxy.headers import HOP_BY_HOP

CHUNK_BYTES = 64 * 1024


def application(origin: str) -> web.Application:
    """The whole proxy: one handler, one session."""
    session_key = web.AppKey("session", aiohttp.ClientSession)
    dropped = {name.decode() if isinstance(name, bytes) else name for name in HOP_BY_HOP}

    async def open_session(app: web.Application):  # type: ignore[no-untyped-def]  # aiohttp's shape
        async with aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=256),
        ) as session:
            app[session_key] = session
            yield

    async def forward(request: web.Request) -> web.StreamResponse:
        headers = CIMultiDict(
            (name, value) for name, value in request.headers.items() if name.lower() not in dropped
        )
        async with request.app[session_key].request(
            request.method,
            URL(origin + request.raw_path, encoded=True),
            headers=headers,
            data=request.content if request.can_read_body else None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in dropped:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for piece in answer.content.iter_chunked(CHUNK_BYTES):
                await response.write(piece)
            await response.write_eof()
            return response

    app = web.Application()
    app.cleanup_ctx.append(open_session)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--origin", required=True, help="http://HOST:PORT")
    options = parser.parse_args()
    loop = uvloop.new_event_loop()
    web.run_app(
        application(options.origin),
        host="127.0.0.1",
        port=options.port,
        access_log=None,
        print=None,
        loop=loop,
    )


if __name__ == "__main__":
    main()
