"""Signed links: a person's way to one answer to one callback task.

A link holds the key, the wait, the answer and when it expires, and a signature over these
(HMAC-SHA256, RFC 2104). It holds no token, and following it changes nothing. Where it leads is
not signed: proxies change hosts and paths.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aiowfm.errors import InvalidLinkError, UsageError

MIN_SECRET_BYTES = 16  # ours; 128 bits are not guessed

_PREFIX = "aiowfm-"
_FIELDS = ("key", "wait", "outcome", "expires")
_SIGNATURE = "signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """What a link says.

    Attributes:
        expires: In whole seconds since the epoch.
    """

    key: str
    wait_id: str
    outcome: str
    expires: int = field(repr=False)


def signed(base_url: str, facts: LinkFacts, secret: str | bytes) -> str:
    """The link at *base_url* that says *facts*; a query it has is kept.

    Raises:
        UsageError: *base_url* is no address, or *secret* is too short to be one.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"a link needs an address like 'https://shop.example/approve', not {base_url!r}"
        )
    values = (facts.key, facts.wait_id, facts.outcome, str(facts.expires))
    query = parse_qsl(parts.query, keep_blank_values=True)
    query = [(name, value) for name, value in query if not name.startswith(_PREFIX)]
    signature = _signature(secret, values)
    query += [(_PREFIX + name, value) for name, value in zip(_FIELDS, values, strict=True)]
    query.append((_PREFIX + _SIGNATURE, signature))
    return urlunsplit(parts._replace(query=urlencode(query), fragment=""))


def verified(url: str, secret: str | bytes, now: float) -> LinkFacts:
    """What the link *url* says; host and path may have been changed by a proxy, nothing else.

    Raises:
        InvalidLinkError: it was not signed with *secret*, was changed, or has expired.
    """
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError as exc:
        raise InvalidLinkError("the link cannot be read") from exc
    names = [name for name, _ in query]
    found = dict(query)
    wanted = [_PREFIX + name for name in (*_FIELDS, _SIGNATURE)]
    if any(names.count(name) != 1 for name in wanted):
        raise InvalidLinkError("the link is not one of ours: parts of it are missing")
    values = tuple(found[_PREFIX + name] for name in _FIELDS)
    right = _signature(secret, values)
    if not hmac.compare_digest(right.encode(), found[_PREFIX + _SIGNATURE].encode()):
        raise InvalidLinkError("the link was not signed by us, or was changed since")
    key, wait_id, outcome, expires = values
    if now >= int(expires):
        raise InvalidLinkError("the link has expired", has_expired=True)
    return LinkFacts(key=key, wait_id=wait_id, outcome=outcome, expires=int(expires))


def _signature(secret: str | bytes, values: tuple[str, ...]) -> str:
    key = secret.encode() if isinstance(secret, str) else secret
    if len(key) < MIN_SECRET_BYTES:
        raise UsageError(
            f"the secret of links must have at least {MIN_SECRET_BYTES} bytes, for example from"
            " secrets.token_urlsafe()"
        )
    # The length of each part stands before it, so that no two sets of parts are one text.
    text = "".join(f"{len(part.encode())}:{part}" for part in ("aiowfm link 1", *values))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
