"""Two tasks, one after the other."""
