"""Ten thousand accounts, settled overnight: a distributed Map, with limits to haste and failure.

`make nightly`, or `python -m examples.nightly`
"""
