"""Reading files: exactly what is stored, or a refusal."""

import os
from pathlib import Path

import pytest

from pdp.cedar.errors import CedarError, PolicySetError
from pdp.cedar.source import Position
from pdp.documents import DocumentError, list_files, list_folder, read_source
from pdp.documents import files as module


def refused(path: Path) -> CedarError:
    with pytest.raises(DocumentError) as caught:
        read_source(path)
    return caught.value


def test_the_text_is_exactly_what_is_stored(tmp_path: Path) -> None:
    text = "a\rb\r\nc\n\ufeffé\U0001f600\0"
    (tmp_path / "x").write_bytes(text.encode())
    source = read_source(tmp_path / "x")
    assert source.text == text
    assert source.name == str(tmp_path / "x")


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a")
    (tmp_path / "y").symlink_to("x")
    assert read_source(tmp_path / "y").text == "a"


def test_what_is_not_utf8_has_a_place(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes("é\nab".encode() + b"\xff\xfec")
    error = refused(tmp_path / "x")
    assert error.message == "this is not UTF-8"
    assert error.position == Position(2, 3)
    assert error.help == "save it as UTF-8"
    assert "ab\ufffd\ufffdc" in error.render()


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "to-nowhere").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "nowhere").message == "cannot read the file: no such file or directory"
    assert refused(tmp_path / "to-nowhere").message == "cannot read the file: no such file or directory"
    assert refused(tmp_path / "loop").message == "cannot read the file: too many levels of symbolic links"
    assert refused(tmp_path / ("x" * 300)).message == "cannot read the file: file name too long"
    assert refused(tmp_path / "pipe").message == "this is not a file"  # and it does not wait for a writer
    assert refused(tmp_path).message == "this is not a file"
    assert refused(tmp_path / "a\0b").message == "cannot read the file: embedded null byte"


def test_a_hostile_name_cannot_forge_a_line(tmp_path: Path) -> None:
    error = refused(tmp_path / "x\nforged \ud800")
    assert "\n" not in error.render()
    assert "xU+000Aforged U+D800" in error.render()


def test_length_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE", 4)
    (tmp_path / "x").write_bytes(b"1234")
    assert read_source(tmp_path / "x").text == "1234"
    (tmp_path / "x").write_bytes(b"12345")
    error = refused(tmp_path / "x")
    assert error.message == "the file is too long"
    assert error.help == "at most 4 bytes are read"


def test_the_caller_chooses_the_error(tmp_path: Path) -> None:
    with pytest.raises(PolicySetError) as caught:
        read_source(tmp_path / "x", PolicySetError, "look elsewhere")
    assert caught.value.render().endswith("x: cannot read the file: no such file or directory\n  help: look elsewhere")


class TestFolders:
    def test_entries_come_sorted_without_what_means_nothing(self, tmp_path: Path) -> None:
        for name in ("b.x", "a.x", "C", ".hidden.x", "README.md", "Z.md"):
            (tmp_path / name).write_text("")
        (tmp_path / "d.x").mkdir()
        assert [path.name for path in list_folder(tmp_path)] == ["C", "a.x", "b.x", "d.x"]
        (tmp_path / "C").unlink()
        assert [path.name for path in list_files(tmp_path, ".x")] == ["a.x", "b.x", "d.x"]

    def test_a_folder_that_is_not_there_is_empty_unless_it_is_required(self, tmp_path: Path) -> None:
        assert list_folder(tmp_path / "nothing") == list_files(tmp_path / "nothing", ".x") == ()
        with pytest.raises(DocumentError, match="cannot list the folder: no such file or directory"):
            list_folder(tmp_path / "nothing", required=True)

    def test_what_is_there_and_no_folder_is_never_empty(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        (tmp_path / "loop").symlink_to("loop")
        (tmp_path / "to-nowhere").symlink_to("nowhere")
        for name in ("file", "loop", "to-nowhere"):
            with pytest.raises(PolicySetError, match="cannot list the folder") as caught:
                list_folder(tmp_path / name, PolicySetError)
            assert caught.value.render().startswith(str(tmp_path / name))

    def test_a_misnamed_file_is_refused(self, tmp_path: Path) -> None:
        for name in ("a.x", "b.y"):
            (tmp_path / name).write_text("")
        with pytest.raises(DocumentError) as caught:
            list_files(tmp_path, ".x")
        assert caught.value.render() == (
            f"{tmp_path / 'b.y'}: this is not one of the files that belong here\n"
            "  help: name it `*.x` or move it away; names that begin with `.` are passed over"
        )
