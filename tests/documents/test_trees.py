"""All files of one kind below a folder: each that is there, none twice, and no folder passed over in silence."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pdp.cedar.errors import PolicySetError
from pdp.documents import DocumentError
from pdp.documents.trees import find_files


def found(root: Path, suffix: str) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_files(root, suffix)]


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_files_of_every_depth_sorted(tmp_path: Path) -> None:
    make(tmp_path, "b.x", "a/c.x", "a/b/d.x", "a/b/e.y", "c/x", ".x", ".git/f.x", "a/.g.x", "h.x.y")
    assert found(tmp_path, ".x") == ["a/b/d.x", "a/c.x", "b.x"]
    assert found(tmp_path, ".x.y") == ["h.x.y"]
    assert found(tmp_path, ".z") == []
    assert len(found(tmp_path, "")) == 6


def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    make(tmp_path, "tree/a.x", "elsewhere/b.x")
    (tmp_path / "tree" / "up").symlink_to(tmp_path / "tree")
    (tmp_path / "tree" / "there").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "tree" / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "tree" / "c.x").symlink_to(tmp_path / "elsewhere" / "b.x")
    (tmp_path / "tree" / "loop").symlink_to("loop")
    assert found(tmp_path / "tree", ".x") == ["a.x", "c.x", "there/b.x"]


def test_a_link_that_leads_nowhere_is_for_the_reader_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "a.x").symlink_to("nowhere")
    assert found(tmp_path, ".x") == ["a.x"]


def test_what_cannot_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DocumentError, match="cannot list the folder: no such file"):
        find_files(tmp_path / "nothing", ".x")
    make(tmp_path, "a/b.x")
    listed = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path.name == "a":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(PolicySetError, match="cannot list the folder: permission denied") as caught:
        find_files(tmp_path, ".x", PolicySetError)
    assert caught.value.source is not None
    assert caught.value.source.name == str(tmp_path / "a")
