"""What the local backend keeps, in a SQLite file or in memory."""
