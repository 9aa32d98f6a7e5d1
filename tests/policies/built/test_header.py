"""The header: refused by name, whatever is wrong with it."""

import pytest

from pdp import __version__
from pdp.policies.built import header
from pdp.policies.built.header import (
    CEDAR,
    PYTHON,
    BuiltDamaged,
    BuiltError,
    BuiltFormat,
    BuiltPython,
    BuiltVersion,
    Header,
    read_header,
    this_program,
)

REVISION = "0123456789abcdef" * 4
FILE = this_program(REVISION).write(b"payload")


def test_it_is_read_as_it_was_written() -> None:
    read, payload = read_header(FILE)
    assert read == Header(PYTHON, CEDAR, __version__, REVISION)
    assert bytes(payload) == b"payload"
    read.check()
    assert read_header(this_program(REVISION).write(b""))[1].nbytes == 0


def test_every_byte_counts() -> None:
    for at in range(len(FILE)):
        for bit in range(8):
            changed = bytearray(FILE)
            changed[at] ^= 1 << bit
            try:
                read, payload = read_header(bytes(changed))
            except (BuiltFormat, BuiltDamaged):
                continue
            # What is left are the texts and the revision, which the reader's own hash of the whole file guards.
            assert bytes(payload) == b"payload"
            assert read != this_program(REVISION)


def test_no_part_of_a_file_is_a_file() -> None:
    for size in range(len(FILE)):
        with pytest.raises((BuiltFormat, BuiltDamaged)):
            read_header(FILE[:size])
    with pytest.raises(BuiltDamaged, match="8 bytes after its header, and should hold 7"):
        read_header(FILE + b"\0")


@pytest.mark.parametrize("data", [b"", b"permit (principal, action, resource);", b"\x89PNG\r\n\x1a\n" + b"x" * 99])
def test_other_files_are_none(data: bytes) -> None:
    with pytest.raises(BuiltFormat, match="this is no built bundle"):
        read_header(data)


def test_copied_as_a_text_it_is_told() -> None:
    with pytest.raises(BuiltFormat):
        read_header(FILE.replace(b"\r\n", b"\n"))


def test_another_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header, "FORMAT", 2)
    with pytest.raises(BuiltFormat, match="is of the format 1, and this program reads format 2"):
        read_header(FILE)


@pytest.mark.parametrize(
    ("other", "error", "code", "message"),
    [
        (Header("pypy 7", CEDAR, __version__, REVISION), BuiltPython, "built_python", "built for Python `pypy 7`"),
        (Header(PYTHON, "4.4", __version__, REVISION), BuiltVersion, "built_version", "for Cedar 4.4, and this is"),
        (Header(PYTHON, CEDAR, "0.0.9", REVISION), BuiltVersion, "built_version", "by version 0.0.9 for Cedar"),
    ],
)
def test_another_program(other: Header, error: type[BuiltError], code: str, message: str) -> None:
    read, _ = read_header(other.write(b""))
    with pytest.raises(error, match=message) as caught:
        read.check()
    assert caught.value.code == code
    assert caught.value.help is not None


@pytest.mark.parametrize("text", ["\x1b[2J", "\n", "\u202e"])
def test_a_header_that_would_steer_a_terminal_is_damaged(text: str) -> None:
    with pytest.raises(BuiltDamaged, match="not printable"):
        read_header(Header(text, CEDAR, __version__, REVISION).write(b""))


def test_the_codes_are_distinct() -> None:
    kinds: list[type[BuiltError]] = [BuiltError, *BuiltError.__subclasses__()]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes) == 8
