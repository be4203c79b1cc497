import asyncio

from examples.hello.app import greet, make_engine

print(asyncio.run(greet(make_engine())))
