"""The pages that links lead to: a few lines of HTML each."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from aiowfm import CallbackLink, InvalidLinkError

# The address is as good as a signature: it is neither stored, nor sent on as a referrer.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
DONE = {"approve": "approved", "reject": "rejected"}


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    html: str


def question(link: CallbackLink) -> Page:
    """Asks for the decision; only the form's POST makes it."""
    assert link.task is not None
    facts = "".join(
        f"<li>{escape(name)}: {escape(str(value))}" for name, value in link.task.message.items()
    )
    button = f'<form method="post"><button>{escape(link.outcome)}</button></form>'
    return _page(200, f"{link.outcome} this order?", f"<ul>{facts}</ul>{button}")


def decided(link: CallbackLink) -> Page:
    return _page(200, f"Thank you: the order is {DONE[link.outcome]}.")


def decided_before(link: CallbackLink) -> Page:
    return _page(200, f"The order is {DONE[link.outcome]} already.")


def too_late(status: int) -> Page:
    return _page(status, "Nothing is left to do: somebody has decided, or the time is over.")


def refused(status: int, error: InvalidLinkError) -> Page:
    return _page(status, f"Sorry: {error}.")


def _page(status: int, title: str, body: str = "") -> Page:
    title = escape(title)
    html = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
    return Page(status, f"{html}<h1>{title}</h1>{body}</html>")
