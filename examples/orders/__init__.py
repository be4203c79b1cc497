"""Ten orders on their way through a shop: choices, retries, failures that are dealt with."""
