"""Serves the shop on the embedded backend, and prints what to try.

python -m examples.approval [--aiohttp] [--port 8000] [--db FILE]
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import socket
from contextlib import suppress

import uvicorn
from aiohttp import web

from aiowfm import Engine, LocalBackend
from examples.approval import aiohttp_app, fastapi_app
from examples.approval.shop import make_engine

TO_TRY = """\
{url} serves orders with {framework}, kept in {place}. Stop with Ctrl-C. Try:

  curl {url}/orders --json '{{"item": "samovar", "quantity": 2}}'
  curl {url}/orders/ID
  curl {url}/approvals
  curl {url}/approvals/ID --json '{{"decision": "approve", "by": "ada"}}'
  curl {url}/approvals/ID --json '{{"decision": "reject", "by": "ada", "reason": "too dear"}}'

where ID is what the first one answers. Or open one of the links that {url}/approvals shows.
"""


def make_shop(db: str) -> Engine:
    """The engine with its workflows in *db*, and the secret of links from the environment."""
    secret = os.environ.get("AIOWFM_LINK_SECRET")
    if secret is None:
        print("AIOWFM_LINK_SECRET is not set: links are valid until this process ends.\n")
        secret = secrets.token_urlsafe()
    return make_engine(LocalBackend(db), link_secret=secret)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.approval", description="Serves orders that a person approves."
    )
    parser.add_argument("--aiohttp", action="store_true", help="with aiohttp; else with FastAPI")
    parser.add_argument("--port", type=int, default=8000, help="0: one that is free")
    parser.add_argument("--db", default=":memory:", metavar="FILE", help="where orders are kept")
    options = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(levelname)s %(name)s: %(message)s")

    engine = make_shop(options.db)
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except OSError as exc:
        parser.error(
            f"port {options.port}: {os.strerror(exc.errno or 0)}; give another, such as --port 0"
        )
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else uvicorn waits for ACKs
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    framework = "aiohttp" if options.aiohttp else "FastAPI"
    place = "memory" if options.db == ":memory:" else options.db
    print(TO_TRY.format(url=url, framework=framework, place=place), flush=True)
    if options.aiohttp:
        web.run_app(aiohttp_app.make_app(engine, url), sock=listener, print=None, access_log=None)
    else:
        config = uvicorn.Config(fastapi_app.make_app(engine, url), log_level="warning")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
