"""A trip is booked in three places, or in none: what was booked is given back when a step fails.

`make saga`, or `python -m examples.saga`
"""
