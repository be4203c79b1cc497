"""Runs ten orders at once and shows how they get on.

python -m examples.orders [--plain] [--log-level info]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

import anyio
from rich.console import Console

from aiowfm import Engine
from examples.orders.app import load_orders, make_engine, run_order
from examples.orders.display import Board
from examples.orders.models import Order


async def main(*, is_plain: bool) -> bool:
    """Whether every order came to an end that was meant."""
    console = Console()
    orders = load_orders()
    board = Board(orders, console, is_live=console.is_terminal and not is_plain)
    console.print(f"[bold]{len(orders)} orders on the embedded backend[/]\n", highlight=False)

    async def follow(engine: Engine, order: Order) -> None:
        board.finished(order, await run_order(engine, order))

    async with make_engine(on_step=board.on_step) as engine:
        with board.shown():
            async with anyio.create_task_group() as group:
                for order in orders:
                    group.start_soon(follow, engine, order)
    console.print(board.summary())
    return board.all_as_meant


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m examples.orders", description="Runs ten orders and shows how they get on."
    )
    parser.add_argument("--plain", action="store_true", help="lines of text, in a terminal too")
    parser.add_argument(
        "--log-level",
        default="error",  # failures are part of the show
        choices=["debug", "info", "warning", "error"],
    )
    options = parser.parse_args()
    logging.basicConfig(
        level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        is_well = asyncio.run(main(is_plain=options.plain))
    except KeyboardInterrupt:
        sys.exit(130)  # as shells say it
    sys.exit(0 if is_well else 1)
