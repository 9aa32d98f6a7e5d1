"""One text for each sequence of bytes, and no other text is read."""

import string
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.identity import base64url

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


@given(st.binary(max_size=200))
def test_what_is_written_is_read(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


@given(st.text(max_size=20) | st.text(ALPHABET + "=+/ \n", max_size=20))
def test_what_is_read_would_be_written_so(text: str) -> None:
    data = base64url.decode(text)
    assert data is None or base64url.encode(data) == text


@pytest.mark.parametrize(("length", "readable"), [(0, 1), (1, 0), (2, 256), (3, 65_536)])
def test_of_all_short_texts_one_for_each_sequence_of_bytes_is_read(length: int, readable: int) -> None:
    texts = map("".join, product(ALPHABET, repeat=length))
    read = [data for text in texts if (data := base64url.decode(text)) is not None]
    assert len(read) == len(set(read)) == readable


@pytest.mark.parametrize("place", range(5))
def test_no_other_character_is_passed_over(place: int) -> None:
    for code in (*range(256), 0x2028, 0xD800, 0x1F600):
        if chr(code) not in ALPHABET:
            assert base64url.decode("Zm9v"[:place] + chr(code) + "Zm9v"[place:]) is None
            assert base64url.decode("Zm9vYm"[:place] + chr(code) + "Zm9vYm"[place + 1 :]) is None
