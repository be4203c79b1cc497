"""A single state tried out by itself: what TestState does."""
