"""Draws docs/orders.svg: what `make run` shows at the end.

python -m docs.picture

The orders are really run, on a virtual clock. What they did is then drawn in the order of the
definition, so that the picture is the same each time.
"""

from __future__ import annotations

import asyncio
import io
import logging
from pathlib import Path

import anyio
from examples.orders.app import DEFINITIONS, load_orders, make_engine, run_order
from examples.orders.display import Board
from examples.orders.handlers import Step
from examples.orders.models import Order
from rich.console import Console
from rich.text import Text
from ruamel.yaml import YAML

from aiowfm import Engine, Workflow
from aiowfm.testing import VirtualEngine

PICTURE = Path(__file__).with_name("orders.svg")
COLUMNS = 84
PHASES = ["began", "done", "failed"]
# rich's own would fetch a font from elsewhere.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: Helvetica, Arial, sans-serif; font-size: 18px;
  font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


async def ran(orders: list[Order]) -> tuple[list[Step], dict[str, Workflow]]:
    """Run *orders*; what their handlers did, and what became of them."""
    steps: list[Step] = []
    ended: dict[str, Workflow] = {}

    async def follow(engine: Engine, order: Order) -> None:
        ended[order.id] = await run_order(engine, order)

    lent = VirtualEngine(make_engine(on_step=steps.append))
    async with lent as virtual, anyio.create_task_group() as group:
        for order in orders:
            group.start_soon(follow, virtual.engine, order)
    return steps, ended


def drawn() -> str:
    """The picture, as SVG."""
    orders = load_orders()
    steps, ended = asyncio.run(ran(orders))
    states = YAML(typ="safe").load(DEFINITIONS)[0]["stateMachine"]["States"]
    names = list(_names(states))
    console = Console(file=io.StringIO(), record=True, width=COLUMNS, force_terminal=True)
    board = Board(orders, console, is_live=True)
    for step in sorted(steps, key=lambda each: _place(each, names)):
        board.on_step(step)
    for order in orders:
        board.finished(order, ended[order.id])
    console.print(Text("$ make run", style="bold"))
    console.print(board.drawn())
    return console.export_svg(title="ten orders", code_format=SVG, unique_id="orders")


def _names(states: dict[str, dict[str, object]]) -> list[str]:
    """The states in the order of the definition, those of branches and iterators too."""
    found: list[str] = []
    for name, state in states.items():
        found.append(name)
        inner = [state.get("ItemProcessor"), *(state.get("Branches") or [])]  # type: ignore[misc]
        for machine in inner:
            if isinstance(machine, dict):
                found += _names(machine["States"])
    return found


def _place(step: Step, names: list[str]) -> tuple[int, int, int]:
    return names.index(step.state), step.attempt, PHASES.index(step.phase)


if __name__ == "__main__":
    logging.basicConfig(level="CRITICAL")
    PICTURE.write_text(drawn(), encoding="utf-8")
