from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm import InvalidLinkError, UsageError
from aiowfm.callbacks.links import LinkFacts, signed, verified

SECRET = "a secret of 32 bytes for testing"
FACTS = LinkFacts(key="o/17 ü&=", wait_id="w" * 32, outcome="approve", expires=1_000)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


@given(TEXT, TEXT, st.integers(1, 10**10))
def test_what_was_signed_is_read_again(key: str, outcome: str, expires: int) -> None:
    facts = LinkFacts(key=key, wait_id="w", outcome=outcome, expires=expires)
    url = signed("https://shop.example/approve?lang=de", facts, SECRET)
    url.encode("ascii")
    assert verified(url, SECRET, expires - 1) == facts
    assert ("lang", "de") in parse_qsl(urlsplit(url).query)


@pytest.mark.parametrize(
    "page", ["https://shop.example", "https://shop.example/für uns", "https://shop.example/a?b=c"]
)
def test_a_proxy_may_change_host_and_path(page: str) -> None:
    url = signed(page, FACTS, SECRET)
    assert verified(f"http://10.0.0.1:8080/inner?{urlsplit(url).query}", SECRET, 0) == FACTS


def test_a_link_ends() -> None:
    url = signed("https://shop.example/approve", FACTS, SECRET)
    with pytest.raises(InvalidLinkError, match="expired") as caught:
        verified(url, SECRET, 1_000)
    assert caught.value.has_expired


@given(st.data())
def test_no_part_can_be_changed(data: st.DataObject) -> None:
    url = signed("https://shop.example/approve", FACTS, SECRET)
    query = parse_qsl(urlsplit(url).query)
    place = data.draw(st.integers(0, len(query) - 1))
    name, value = query[place]
    changed = data.draw(TEXT.filter(lambda text: text != value))
    query[place] = name, changed
    with pytest.raises(InvalidLinkError) as caught:
        verified(f"https://shop.example/approve?{urlencode(query)}", SECRET, 0)
    assert not caught.value.has_expired


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://shop.example/approve", id="nothing"),
        pytest.param("https://[", id="no address"),
        pytest.param(signed("https://shop.example/approve", FACTS, "x" * 16), id="another secret"),
        pytest.param(
            signed("https://shop.example/approve", FACTS, SECRET) + "&aiowfm-key=other", id="twice"
        ),
    ],
)
def test_what_is_not_ours_is_refused(url: str) -> None:
    with pytest.raises(InvalidLinkError):
        verified(url, SECRET, 0)


def test_no_two_sets_of_parts_have_one_signature() -> None:
    one = LinkFacts(key="ab", wait_id="c", outcome="x", expires=1)
    other = LinkFacts(key="a", wait_id="bc", outcome="x", expires=1)
    links = [signed("https://shop.example/", facts, SECRET) for facts in (one, other)]
    assert len({link.rpartition("=")[2] for link in links}) == 2


@pytest.mark.parametrize("base_url", ["", "shop.example/approve", "ftp://shop.example", "/approve"])
def test_a_link_needs_an_address(base_url: str) -> None:
    with pytest.raises(UsageError, match="address"):
        signed(base_url, FACTS, SECRET)


def test_a_secret_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(UsageError, match="16 bytes"):
        signed("https://shop.example/", FACTS, "short")
