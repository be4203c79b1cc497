"""Task handlers and what they learn of the task: signatures, conversion, context, outcomes."""
