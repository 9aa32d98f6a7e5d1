"""Request paths: every trick is refused, and what is accepted has one meaning."""

import random
import re
import unicodedata
from urllib.parse import quote, unquote, unquote_to_bytes

import pytest
from fuzzing import rounds
from hypothesis import given
from hypothesis import strategies as st

from pdp.inventory.paths import MAX_PATH, segment_text, split_path

ACCEPTED = {
    "/": ("",),
    "/orders": ("orders",),
    "/orders/": ("orders", ""),
    "/orders/4711": ("orders", "4711"),
    "/a-b._~!$&'()*+,=:@": ("a-b._~!$&'()*+,=:@",),
    "/...": ("...",),
    "/.well-known/x": (".well-known", "x"),
    "/..a/b..": ("..a", "b.."),
    "/%6Frders/%7e": ("orders", "~"),
    "/a%20b": ("a%20b",),
    "/%c3%A9": ("%c3%A9",),
    "/100%25": ("100%25",),
    "/%25zz": ("%25zz",),
    "/a%3Fb%23c": ("a%3Fb%23c",),
    "/%22%27": ("%22%27",),
}
TRICKS = [
    "",
    "orders",
    "*",
    "http://api.example/orders",
    "orders/4711",
    " /orders",
    "/orders ",
    "//",
    "//orders",
    "/orders//4711",
    "/orders//",
    "/.",
    "/..",
    "/../orders",
    "/orders/..",
    "/orders/./4711",
    "/orders/../admin",
    "/orders/..%2fadmin",
    "/orders/%2e%2e/admin",
    "/orders/.%2E/admin",
    "/orders/%2e/4711",
    "/orders%2F4711",
    "/orders%2f4711",
    "/orders%5C4711",
    "/orders%5c..",
    "/orders\\4711",
    "/\\evil",
    "/orders;v=1",
    "/orders;/4711",
    "/orders/..;/admin",
    "/orders%3Bv=1",
    "/orders%00",
    "/orders\0",
    "/orders%0A",
    "/orders%0d%0aX: y",
    "/orders\n",
    "/orders\r\n",
    "/orders\t",
    "/orders%7F",
    "/orders%C2%85",
    "/orders/%",
    "/orders/%2",
    "/orders/%zz",
    "/orders/%u002e",
    "/orders/%%32%65",
    "/orders/%252e%252e",
    "/orders/%2541",
    "/orders/%25%34%31",
    "/orders/%2525%32%35",
    "/orders/%c0%ae",
    "/orders/%e9",
    "/orders/4711%20",
    "/orders/%204711",
    "/orders/4711%c2%a0",
    "/orders/%ef%bc%8e%ef%bc%8e",
    "/orders/%e2%80%a5",
    "/orders/4711%ef%bc%8flines",
    "/orders/4711%ef%bc%bclines",
    "/orders/4711%ef%bc%9bv=1",
    "/orders/%ef%bc%85%32%66",
    "/orders/%ed%a0%80",
    "/orders/%f4%90%80%80",
    "/orders/\u00e9",
    "/orders/\uff0e\uff0e",
    "/orders/\u2215x",
    "/orders/\ud800",
    "/orders#x",
    "/orders/{id}",
    "/orders/a|b",
    "/orders/<a>",
    '/orders/"a"',
    "/orders/`a`",
    "/orders/a^b",
    "/orders/[a]",
    "/" + "a" * MAX_PATH,
]


@pytest.mark.parametrize("path", ACCEPTED)
def test_paths_with_one_meaning(path: str) -> None:
    assert split_path(path) == ACCEPTED[path]


@pytest.mark.parametrize("path", TRICKS, ids=lambda path: repr(path[:30]))
def test_tricks(path: str) -> None:
    assert split_path(path) is None


def test_the_longest_path() -> None:
    assert split_path("/" + "a" * (MAX_PATH - 1)) is not None


@pytest.mark.parametrize("byte", range(256))
def test_every_escaped_byte(byte: int) -> None:
    segments = split_path(f"/x%{byte:02X}y")
    char = chr(byte)
    if byte >= 0x80 or byte < 0x20 or char in "/\\;\x7f":
        assert segments is None
    elif char.isalnum() or char in "-._~":
        assert segments == (f"x{char}y",)
    else:
        assert segments == (f"x%{byte:02X}y",)
        assert segment_text(segments[0]) == f"x{char}y"


@pytest.mark.parametrize("byte", range(1, 256))
def test_every_bare_byte(byte: int) -> None:
    char = chr(byte)
    expected = None if byte >= 0x80 or not (char.isalnum() or char in "-._~!$&'()*+,=:@/") else (f"x{char}y",)
    assert split_path(f"/x{char}y") == (("x", "y") if char == "/" else expected)


def is_folded(text: str) -> bool:
    """Whether a server that folds or trims what it reads might read something else that matters."""
    folded = unicodedata.normalize("NFKC", text)
    escape = re.search(r"%[0-9A-Fa-f]{2}", folded) is not None
    odd = any(char in "/\\;" or unicodedata.category(char) == "Cc" for char in folded)
    return escape or odd or folded in (".", "..") or any(each.strip() != each for each in (text, folded))


IDS = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\;%"), min_size=1).filter(
    lambda text: text not in (".", "..") and not is_folded(text)
)


@given(st.lists(IDS, min_size=1, max_size=4), st.sampled_from(["", "-._~!$&'()*+,=:@"]))
def test_any_text_travels_through_a_path_unchanged(texts: list[str], safe: str) -> None:
    path = "/" + "/".join(quote(text, safe=safe) for text in texts)
    segments = split_path(path)
    assert (segments is None) == (len(path) > MAX_PATH)
    assert segments is None or list(map(segment_text, segments)) == texts


ALPHABET = "aA0./%2e5cF3bC\\;~é\0 ?#"


@given(st.text(ALPHABET, max_size=12).map(lambda text: "/" + text))
def test_what_is_accepted_means_the_same_to_every_decoder(path: str) -> None:
    segments = split_path(path)
    if segments is None:
        return
    again = "/" + "/".join(segments)
    assert split_path(again) == segments
    # Whether a server decodes before it splits or after it, once or twice, it sees these segments.
    texts = [segment_text(segment) for segment in segments]
    once = unquote_to_bytes(path).decode()
    assert once == "/" + "/".join(texts)
    assert unquote(once) == once
    assert not {".", "..", ""} & set(texts[:-1])
    assert texts[-1] not in (".", "..")


def test_random_paths_raise_nothing() -> None:
    rng = random.Random(20261124)
    accepted = 0
    for _ in range(rounds(20_000)):
        path = "/" + "".join(rng.choices(ALPHABET + "\ud800\uffff", k=rng.randrange(10)))
        segments = split_path(path)
        accepted += segments is not None
        for segment in segments or ():
            segment_text(segment)
    assert accepted > 500
