"""Orders that a person approves: one workflow, served with FastAPI and with aiohttp."""
