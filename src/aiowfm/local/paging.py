"""Lists in pages: opaque tokens that say where the next page begins."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeAlias, TypeVar

from aiowfm.local.errors import ServiceError

Item = TypeVar("Item")
Key: TypeAlias = int | str

DEFAULT_PAGE = 100  # maxResults of all lists, where none or 0 is given
_SIGNATURE_BYTES = 16


class Pages:
    """Cuts lists into pages.

    A token names the last item of its page, so that items which come and go in the
    meantime shift nothing. It is signed together with what was listed: a token of
    another list, or one made up, is refused.
    """

    def __init__(self, secret: bytes = b"") -> None:
        self.secret = secret

    def page(
        self,
        items: Iterable[Item],
        key: Callable[[Item], Key],
        *,
        of: str,
        token: str | None,
        limit: int | None,
        descending: bool = False,
    ) -> tuple[list[Item], str | None]:
        """The items after those of *token*, and the token of the page that follows.

        Args:
            items: All of them, sorted by *key*.
            key: What tells items apart; always an integer, or always a string.
            of: What is listed.
            token: `nextToken` of the call.
            limit: `maxResults` of the call.
            descending: Whether the largest key comes first.

        Raises:
            ServiceError: InvalidToken.
        """
        last = self.last(of, token)
        if last is not None:
            items = (
                item
                for item in items
                if (key(item) < last if descending else key(item) > last)  # type: ignore[operator]  # keys of one list are of one type
            )
        limit = limit or DEFAULT_PAGE
        return self.cut(list(islice(items, limit + 1)), key, of=of, limit=limit)

    def last(self, of: str, token: str | None) -> Key | None:
        """The key of the last item of the page before, None for the first page.

        Raises:
            ServiceError: InvalidToken.
        """
        return None if token is None else self._read(of, token)

    def cut(
        self, items: list[Item], key: Callable[[Item], Key], *, of: str, limit: int
    ) -> tuple[list[Item], str | None]:
        """The first *limit* of *items*, and the token of the next page if there are more."""
        if len(items) <= limit:
            return items, None
        return items[:limit], self._token(of, key(items[limit - 1]))

    def _token(self, of: str, last: Key) -> str:
        body = json.dumps(last).encode()
        return base64.urlsafe_b64encode(self._signature(of, body) + body).decode()

    def _read(self, of: str, token: str) -> Key:
        try:
            raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(of, body)):
            raise ServiceError("InvalidToken", "Invalid Token: 'Invalid token'")
        last: Key = json.loads(body)
        return last

    def _signature(self, of: str, body: bytes) -> bytes:
        return hmac.digest(self.secret, of.encode() + b"\0" + body, "sha256")[:_SIGNATURE_BYTES]
