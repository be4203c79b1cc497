"""Signs somebody up, wherever the environment says, and tells where that was."""

from __future__ import annotations

import asyncio
import os

from examples.anywhere.app import make_engine, sign_up


async def main() -> None:
    async with make_engine() as engine:
        done = await sign_up(engine, "Ada")
    path = os.environ.get("AIOWFM_LOCAL_PATH", "memory")
    is_aws = os.environ.get("AIOWFM_BACKEND") == "aws"
    print(f"{done.output or done.cause} ({'on AWS' if is_aws else f'in {path}'})")


asyncio.run(main())
