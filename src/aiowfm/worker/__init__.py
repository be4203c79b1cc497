"""Runs tasks: polls for them, calls their handlers, beats, reports, and stops gently."""
