"""Looks at all that an application needs, and says what to do."""

from aiowfm.doctor.examination import Examination, Role

__all__ = ["Examination", "Role"]
