"""The command line in a real pseudo-terminal: what it shows, and what keys do."""

from __future__ import annotations

import re

import pytest

from tests.cli.conftest import ENGINE, Shop
from tests.cli.terminal import terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

CTRL_C = "\x03"


def test_a_live_tree_shows_states_with_their_times_and_how_far_a_map_is(shop: Shop) -> None:
    order = '{"first": 997, "count": 40}'  # the first three need not wait
    with terminal("run", ENGINE, "order", "--input", order, "--follow") as shown:
        live = shown.until(lambda screen: " 3/40" in screen and "[3] ▸ pack" in screen)
        assert re.search(r"^dev--order--0--charge--\w+ running \d+\.\ds$", live, re.MULTILINE)
        assert re.search(r"^├── ✓ charge Task \d+\.\ds$", live, re.MULTILINE)
        assert re.search(r"^└── ▸ lines Map \d+\.\ds ━+.*━ 3/40$", live, re.MULTILINE)
        before = re.findall(r"\[3\] ▸ pack Task ([\d.]+)s", live)
        shown.until(lambda screen: re.findall(r"\[3\] ▸ pack Task ([\d.]+)s", screen) != before)
        (shop.directory / "go").touch()
        assert shown.end() == 0
    assert re.search(r"└── ✓ lines Map \d+\.\ds ━+ 40/40", shown.plain)
    assert shown.plain.rstrip().endswith("10360\r\n]")
    assert "\x1b[?25h" in shown.text  # the cursor is back


def test_a_failure_and_its_reason_stay_on_the_screen(shop: Shop) -> None:
    with terminal("run", ENGINE, "order", "--input", '{"poor": 1}', "-f") as shown:
        assert shown.end() == 4
    assert "└── ✗ charge Task" in shown.shown
    assert "CardDeclined: no �[31m money" in shown.shown
    assert "failed: CardDeclined" in shown.shown
    # The log goes above the tree.
    lines = shown.shown.splitlines()
    (warning,) = (n for n, line in enumerate(lines) if "WARNING" in line)
    (tree,) = (n for n, line in enumerate(lines) if line.startswith("└── ✗ charge"))
    assert warning < tree


def test_a_tree_that_is_higher_than_the_terminal_shows_its_end(shop: Shop) -> None:
    order = '{"first": 1000, "count": 40}'
    with terminal("run", ENGINE, "order", "--input", order, "-f", lines=5) as shown:
        screen = shown.until(lambda screen: "[1] · pack" in screen)
        assert re.search(r"^… [2-9] lines above$", screen, re.MULTILINE)
        assert "charge Task" not in screen
        (shop.directory / "go").touch()
        assert shown.end() == 0
    assert "├── ✓ charge Task" in shown.plain  # all of it, in the end


def test_a_line_that_is_wider_than_the_terminal_is_cut(shop: Shop) -> None:
    with terminal("run", ENGINE, "slow", "--follow", columns=22) as shown:
        first = shown.until(lambda screen: "▸ wait" in screen)
        later = shown.until(lambda screen: screen != first and "▸ wait" in screen)
        assert later.count("▸ wait") == 1
        *_, title, job = later.splitlines()
        assert re.fullmatch(r"dev--slow--0--wait--\w…", title)
        assert re.fullmatch(r"└── ▸ wait Task \d+\.\ds", job)
        shown.press(CTRL_C)
        assert shown.end() == 130


def test_a_terminal_without_unicode_gets_ascii(shop: Shop) -> None:
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    plain["PYTHONCOERCECLOCALE"] = "0"
    with terminal("run", ENGINE, "order", "-f", variables=plain) as shown:
        assert shown.end() == 0
    assert "+ charge Task" in shown.plain
    assert "[========================] 3/3" in shown.plain
    assert shown.text.isascii()


@pytest.mark.parametrize("arguments", [["--follow"], []], ids=["followed", "waited for"])
def test_ctrl_c_leaves_a_workflow_that_goes_on(shop: Shop, arguments: list[str]) -> None:
    with terminal("run", ENGINE, "slow", "--id-suffix", "x", *arguments) as shown:
        shown.until(lambda _: (shop.directory / "waiting").exists())
        shown.press(CTRL_C)
        assert shown.end() == 130
    assert "Traceback" not in shown.text
    assert "Error" not in shown.text
    assert shop("show", ENGINE, "dev--slow--0--wait--x", "--json").json["status"] == "running"
    assert not (shop.directory / "shop.db-owner").exists()


def test_a_question_comes_before_many_are_changed(shop: Shop) -> None:
    id = shop.started("slow", {})
    for keys, code, said in (("n\r", 1, "running"), (CTRL_C, 130, "running"), ("y\r", 0, None)):
        with terminal("cancel", ENGINE, "--name", "slow") as shown:
            screen = shown.until_shows("cancel 1 workflow? [y/N]:")
            assert f"would cancel {id}" in screen
            shown.press(keys)
            assert shown.end() == code
        assert "Traceback" not in shown.text
        status = shop("show", ENGINE, id, "--json").json["status"]
        assert status == (said or "cancelled")


def test_a_worker_works_until_ctrl_c(shop: Shop) -> None:
    id = shop.started("slow", {})
    with terminal("worker", ENGINE) as shown:
        shown.until_shows("worker of shop in dev: charge, pack, wait; Ctrl-C lets")
        shown.until(lambda _: (shop.directory / "waiting").exists())
        shown.press(CTRL_C)
        (shop.directory / "go").touch()  # what runs is let run to its end
        assert shown.end() == 0
    assert "Traceback" not in shown.text
    assert shop("show", ENGINE, id, "--json").json["status"] == "succeeded"
