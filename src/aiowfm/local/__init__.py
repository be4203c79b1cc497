"""The embedded backend: the Step Functions API on this machine."""

from aiowfm.local.backend import LocalBackend

__all__ = ["LocalBackend"]
