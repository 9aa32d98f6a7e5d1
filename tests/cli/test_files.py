"""The files that verbs read and write: which are meant, and that what is written is whole."""

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

import pytest

from pdp.cli.files import policy_files, write_file
from pdp.documents import DocumentError


@pytest.fixture
def mask() -> Iterator[None]:
    """The usual mask for new files, whatever it is here."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def refused(path: Path) -> str:
    with pytest.raises(DocumentError) as caught:
        write_file(path, "new")
    assert caught.value.source is not None
    assert caught.value.source.name == str(path)
    return caught.value.message


def test_a_file_is_replaced_and_nothing_is_left_over(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("a long text that was here before")
    write_file(path, "new \r\n\ufeffé")
    assert path.read_bytes() == "new \r\n\ufeffé".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o4755])
def test_the_mode_stays(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x"
    path.write_text("")
    path.chmod(mode)
    write_file(path, "new")
    assert S_IMODE(path.stat().st_mode) == mode


@pytest.mark.usefixtures("mask")
def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    write_file(tmp_path / "x", "new")
    assert S_IMODE((tmp_path / "x").stat().st_mode) == 0o644


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_text("old")
    link = tmp_path / "link"
    link.symlink_to("folder/x")
    write_file(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "folder" / "x").read_text() == "new"


def test_what_reads_the_old_text_goes_on_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old text")
    with path.open() as reader:
        assert reader.read(4) == "old "
        write_file(path, "new text")
        assert reader.read() == "text"


def test_a_write_that_fails_leaves_the_old_text_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    assert refused(path) == "cannot write the file: no space left on device"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(tmp_path / "nowhere" / "x") == "cannot write the file: no such file or directory"
    assert refused(tmp_path) == "this is not a file that may be written"
    assert refused(Path("/dev/null")) == "this is not a file that may be written"
    path = tmp_path / "x"
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert refused(path) == "this is not a file that may be written"
    assert path.read_text() == "old"


def test_which_files_are_meant(tmp_path: Path) -> None:
    for name in ("b.cedar", "a/c.cedar", "a/d.cedar.json", "a/e.json", "a/.f.cedar", "g", "h.cedar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "i.cedar").symlink_to("h.cedar")

    def names(*paths: str, suffixes: tuple[str, ...] = (".cedar",)) -> list[str]:
        return [
            str(path.relative_to(tmp_path)) for path in policy_files([tmp_path / each for each in paths], *suffixes)
        ]

    assert names(".") == ["a/c.cedar", "b.cedar", "h.cedar"]
    assert names("a", suffixes=(".cedar", ".cedar.json")) == ["a/c.cedar", "a/d.cedar.json"]
    assert names("g", "b.cedar", "a", "b.cedar", ".") == ["g", "b.cedar", "a/c.cedar", "h.cedar"]
    assert names("i.cedar", "h.cedar") == ["i.cedar"]
    with pytest.raises(DocumentError, match=r"no `\*\.cedarschema`"):
        names("a", suffixes=(".cedarschema",))


def test_a_file_that_is_not_there_is_for_the_reader_to_refuse(tmp_path: Path) -> None:
    assert policy_files([tmp_path / "nothing"], ".cedar") == [tmp_path / "nothing"]
