"""A film becomes several renditions at once: progress, and heartbeats that prove it.

`make media`, or `python -m examples.media`
"""
