"""Names of workloads: by the grammar of SPIFFE-ID, section 2, character by character."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.identity.spiffe_id import MAX_ID, SpiffeId, is_trust_domain, parse_spiffe_id

DOMAIN_CHARACTERS = string.ascii_lowercase + string.digits + ".-_"
PATH_CHARACTERS = string.ascii_letters + string.digits + ".-_"

GOOD = {
    "spiffe://consortium.example": ("consortium.example", ""),
    "spiffe://consortium.example/billing": ("consortium.example", "/billing"),
    "spiffe://consortium.example/ns/prod/sa/Orders_2.x": ("consortium.example", "/ns/prod/sa/Orders_2.x"),
    "spiffe://1.2.3.4/a": ("1.2.3.4", "/a"),
    "spiffe://a/...": ("a", "/..."),
    "spiffe://a/.b/c.": ("a", "/.b/c."),
    "spiffe://../a": ("..", "/a"),
    f"spiffe://{'a' * 255}/b": ("a" * 255, "/b"),
}
BAD = [
    *("", "spiffe", "spiffe:", "spiffe:/", "spiffe://", "spiffe:///a", "consortium.example/a", "//a/b"),
    *("http://a/b", "https://a/b", "SPIFFE://a/b", "Spiffe://a/b", "spiffes://a/b", " spiffe://a/b"),
    *("spiffe://A/b", "spiffe://a.Example/b", "spiffe://ä/b", "spiffe://a%20/b", "spiffe://a+b/c", "spiffe://a b/c"),
    *("spiffe://a:8443/b", "spiffe://a:/b", "spiffe://u@a/b", "spiffe://u:p@a/b", "spiffe://[::1]/b", "spiffe://a,b/c"),
    *("spiffe://a/", "spiffe://a//", "spiffe://a//b", "spiffe://a/b/", "spiffe://a/b//c", "spiffe://a/b/c/"),
    *("spiffe://a/.", "spiffe://a/..", "spiffe://a/./b", "spiffe://a/../b", "spiffe://a/b/.", "spiffe://a/b/.."),
    *("spiffe://a/b?c", "spiffe://a/b#c", "spiffe://a?b", "spiffe://a#b", "spiffe://a/b?", "spiffe://a/b#"),
    *("spiffe://a/%62", "spiffe://a/b%2Fc", "spiffe://a/b c", "spiffe://a/b\\c", "spiffe://a/b:c", "spiffe://a/b*"),
    *("spiffe://a/ä", "spiffe://a/\u0430", "spiffe://a/b\n", "spiffe://a/b\0", "spiffe://a/\ud800", "spiffe://a\n/b"),
    f"spiffe://{'a' * 256}/b",
]


@pytest.mark.parametrize(("text", "parts"), GOOD.items(), ids=lambda value: str(value)[:40])
def test_names(text: str, parts: tuple[str, str]) -> None:
    assert parse_spiffe_id(text) == SpiffeId(*parts)
    assert str(SpiffeId(*parts)) == text


@pytest.mark.parametrize("text", BAD, ids=lambda text: ascii(text[:40]))
def test_what_is_no_name(text: str) -> None:
    assert parse_spiffe_id(text) is None


def test_a_name_has_at_most_2048_characters() -> None:
    longest = "spiffe://a/".ljust(MAX_ID, "b")
    assert parse_spiffe_id(longest) is not None
    assert parse_spiffe_id(longest + "b") is None
    assert MAX_ID == 2048


@pytest.mark.parametrize("code", range(0x180))
def test_every_character(code: int) -> None:
    char = chr(code)
    assert (parse_spiffe_id(f"spiffe://a{char}b/c") is not None) == (char in DOMAIN_CHARACTERS or char == "/")
    assert (parse_spiffe_id(f"spiffe://a/b{char}c") is not None) == (char in PATH_CHARACTERS or char == "/")
    assert is_trust_domain(f"a{char}b") == (char in DOMAIN_CHARACTERS)


def test_trust_domains() -> None:
    assert all(map(is_trust_domain, ("a", "a.b", "..", "-", "a" * 255)))
    assert not any(map(is_trust_domain, ("", "A", "a/b", "spiffe://a", "a" * 256, "a\n")))


@given(st.text(max_size=30) | st.text("ab./%:@?#A", max_size=20).map(lambda rest: f"spiffe://{rest}"))
def test_any_text_is_a_name_in_its_one_spelling_or_none(text: str) -> None:
    found = parse_spiffe_id(text)
    assert found is None or str(found) == text
