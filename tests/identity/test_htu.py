"""Targets of requests: which texts name one, and which are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.identity.htu import MAX_URI, normalised

SAME = {
    "scheme and host in capitals": "HTTPS://API.Example/a",
    "the default port": "https://api.example:443/a",
    "a default port with zeros": "https://api.example:00443/a",
    "an empty port": "https://api.example:/a",
    "a query": "https://api.example/a?b=c/../d",
    "a fragment": "https://api.example/a#b?c",
    "an empty query": "https://api.example/a?",
    "an escape that is not needed": "https://api.example/%61",
    "one in the host": "https://%61pi.ex%41mple/a",
    "a dot segment": "https://api.example/./a",
    "two dots": "https://api.example/b/../a",
    "dots in escapes": "https://api.example/b/%2e%2E/a",
    "dots above the root": "https://api.example/../../a",
}
OTHER = {
    "another scheme": "http://api.example/a",
    "another host": "https://api.example.evil/a",
    "a host that ends in a dot": "https://api.example./a",
    "another port": "https://api.example:8443/a",
    "the port of the other scheme": "https://api.example:80/a",
    "another path": "https://api.example/a/",
    "the path in capitals": "https://api.example/A",
    "an empty segment": "https://api.example//a",
    "an escaped slash": "https://api.example/%2Fa",
    "an escape that was escaped": "https://api.example/%2561",
    "parameters": "https://api.example/a;b",
    "no path": "https://api.example",
}
NONE = {
    "nothing": "",
    "a path alone": "/a",
    "no scheme": "//api.example/a",
    "another protocol": "ftp://api.example/a",
    "no host": "https:///a",
    "no slashes": "https:api.example/a",
    "user information": "https://api.example@evil.example/a",
    "a space": "https://api.example/a b",
    "a space before": " https://api.example/a",
    "a line end after": "https://api.example/a\n",
    "a control character": "https://api.example/a\0",
    "a back slash": "https://api.example\\a",
    "a letter beyond ASCII": "https://api.example/ä",
    "a capital that becomes ASCII": "https://api.example/\u212a",
    "a long s": "http\u017f://api.example/a",
    "half an escape": "https://api.example/%6",
    "no escape": "https://api.example/%zz",
    "a port that is none": "https://api.example:99999/a",
    "a port that is just too large": "https://api.example:65536/a",
    "a port in letters": "https://api.example:https/a",
    "half a bracket": "https://[::1/a",
    "brackets in the path": "https://api.example/[a]",
    "a lone surrogate": "https://api.example/\ud800",
}


@pytest.mark.parametrize("uri", SAME.values(), ids=SAME)
def test_texts_that_name_one_target(uri: str) -> None:
    assert normalised(uri) == "https://api.example/a"


@pytest.mark.parametrize("uri", OTHER.values(), ids=OTHER)
def test_texts_that_name_another_target(uri: str) -> None:
    assert normalised(uri) not in {None, "https://api.example/a"}


@pytest.mark.parametrize("uri", NONE.values(), ids=NONE)
def test_texts_that_name_no_target(uri: str) -> None:
    assert normalised(uri) is None


@pytest.mark.parametrize(
    ("uri", "form"),
    [
        ("https://api.example", "https://api.example/"),
        ("http://API.example:80", "http://api.example/"),
        ("https://[2001:DB8::1]:8443/%7Eana/%c3%a9", "https://[2001:db8::1]:8443/~ana/%C3%A9"),
        ("https://192.0.2.1/a/b/./../c/..", "https://192.0.2.1/a/"),
        ("https://e/a//../b/.", "https://e/a/b/"),
        ("https://e/.../..a/.b", "https://e/.../..a/.b"),
        ("https://e/%2f%2e%2e/x", "https://e/%2F../x"),
        ("https://e:65535/", "https://e:65535/"),
    ],
)
def test_the_form(uri: str, form: str) -> None:
    assert normalised(uri) == form


def test_a_uri_is_bounded() -> None:
    longest = "https://e/".ljust(MAX_URI, "a")
    assert normalised(longest) == longest
    assert normalised(longest + "a") is None


PARTS = st.lists(
    st.sampled_from([".", "..", "a", "B", "%41", "%2e", "%2F", "%7E", "%c3%A9", "", "~", "?q", "#f", ":8443", "@"]),
    max_size=8,
)


@given(PARTS, st.sampled_from(["/", ""]))
def test_the_form_is_its_own_form(parts: list[str], joint: str) -> None:
    form = normalised(f"https://e/{joint.join(parts)}")
    if form is not None:
        assert normalised(form) == form
        assert not {".", ".."} & set(form.split("/"))


@given(st.text(max_size=40), st.sampled_from(["", "https://", "https://e/"]))
def test_any_text_has_a_form_or_none(text: str, start: str) -> None:
    form = normalised(start + text)
    assert form is None or (form.isascii() and "?" not in form and "#" not in form)
