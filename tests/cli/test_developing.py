"""`aiowfm dev`, in a real pseudo-terminal, and other commands that come to it."""

from __future__ import annotations

import re
import socket
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from aiowfm.cli.asking import PATH
from tests.cli.conftest import ENGINE, MODULE, Shop
from tests.cli.terminal import Terminal, terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

CTRL_C = "\x03"
ANNOUNCED = re.compile(r"(?:--server |\"url\": \")(http://127\.0\.0\.1:\d+)")


def url_of(shown: Terminal, count: int = 1) -> str:
    """Where it listens, once it has said so *count* times."""
    shown.until(lambda _: len(ANNOUNCED.findall(shown.text)) >= count)
    url: str = ANNOUNCED.findall(shown.text)[-1]
    return url


def test_a_change_takes_effect_and_workflows_stay(shop: Shop) -> None:
    place = f"{MODULE}:in_memory"
    program = shop.directory / f"{MODULE}.py"
    with terminal("dev", place, "--port", "0", columns=120) as shown:
        url = url_of(shown)
        assert "dev of shop in dev: charge, pack, wait; Ctrl-C stops it" in shown.shown
        done = shop("run", place, "order", "--input", '{"count": 2}', "--server", url)
        assert (done.code, done.json) == (0, [0, 10])

        parked = shop(
            "run", place, "approval", "--input", '{"id": "k"}', "--detach", "--server", url
        ).out.strip()
        waits = shop("run", place, "slow", "--detach", "--server", url).out.strip()
        shown.until(lambda _: (shop.directory / "waiting").exists())

        program.write_text(program.read_text().replace("item * 10", "item * 11"))
        assert url_of(shown, 2) == url
        assert f"changed: {MODULE}.py" in shown.shown
        done = shop("run", place, "order", "--input", '{"count": 2}', "--server", url)
        assert (done.code, done.json) == (0, [0, 11])

        # What a change cut off is still there, and so is what waits for a callback.
        assert shop("show", place, waits, "--json", "--server", url).json["status"] == "running"
        (task,) = shop("pending", place, "--json", "--server", url).json
        assert (task["key"], task["workflow_id"]) == ("k", parked)
        done = shop("complete", place, "k", "--output", "7", "--server", url)
        assert done.out == "k: delivered: the workflow goes on\n"
        done = shop("follow", place, parked, "--server", url)
        assert (done.code, done.json) == (0, 7)
        again = shop("fail", place, "k", "--error", "No", "--server", url)
        assert again.code == 1
        assert "another result was accepted first" in again.err

        # It is for this application alone, and for no page of a browser.
        other = shop("pending", f"{MODULE}:other", "--server", url)
        assert other.code == 1
        assert "the engine there is of 'shop' in 'dev', not of 'other' in 'dev'" in other.err
        with pytest.raises(HTTPError, match="415"):
            urlopen(Request(url + PATH, data=b'{"call": "pending"}'))

        (shop.directory / "go").touch()  # nothing runs that would be waited for
        shown.press(CTRL_C)
        assert shown.end() == 0
    assert "Traceback" not in shown.text
    assert not (shop.directory / "shop.db").exists()


def test_a_broken_program_waits_for_its_mending(shop: Shop) -> None:
    program = shop.directory / f"{MODULE}.py"
    whole = program.read_text()
    program.write_text("1 / 0")
    with terminal("dev", ENGINE, "--port", "0", "--json", columns=120) as shown:
        shown.until_shows("waiting for a change to try again")
        assert "ZeroDivisionError: division by zero" in shown.shown
        program.write_text(whole)
        done = shop("ls", ENGINE, "--server", url_of(shown))
        assert (done.code, done.err) == (0, "no workflows\n")
        assert (
            '"app": "shop", "environment": "dev", "tasks": ["charge", "pack", "wait"]}'
            in shown.text
        )
        shown.press(CTRL_C)
        assert shown.end() == 0
    assert "Traceback" not in shown.text
    assert (shop.directory / "shop.db").exists()  # the engine's own


def test_a_port_that_is_taken_is_said_at_once(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = shop("dev", ENGINE, "--port", port)
    assert done.code == 1
    assert re.match(rf"aiowfm: cannot listen on 127\.0\.0\.1:{port}: .*--port", done.err)
