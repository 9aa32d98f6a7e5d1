"""The files of a corpus: the same from a folder and from an archive; what is damaged is refused, nothing lost."""

import gzip
import io
import random
import tarfile
from pathlib import Path

import pytest
from fuzzing import refusal, rounds
from small_corpus import packed, small_corpus, write_archive, write_folder

from pdp.cedar.source import Position
from pdp.conformance import files as module
from pdp.conformance.files import CorpusError, open_corpus


def read(path: Path) -> dict[str, str]:
    return {name: read().text for name, read in open_corpus(path).items()}


def compressed(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data, mtime=0))
    return path


def refused(path: Path) -> CorpusError:
    with pytest.raises(CorpusError) as caught:
        read(path)
    assert caught.value.source is not None
    assert caught.value.source.name.startswith(str(path))
    return caught.value


def test_a_folder_and_an_archive_hold_the_same(tmp_path: Path) -> None:
    files = small_corpus()
    from_folder = read(write_folder(tmp_path / "corpus", files | {"tests/._one.json": "\x05", ".git/x.json": "{}"}))
    from_archive = read(write_archive(tmp_path / "corpus.tar.gz", files))
    assert from_archive == files
    # Of a folder, what never is data is not even listed.
    assert from_folder == {name: text for name, text in files.items() if name != "README.md"}


def test_texts_are_read_as_they_are(tmp_path: Path) -> None:
    files = {"a": "x\ry\r\nz\n\ufeffé\0"}
    assert read(write_folder(tmp_path / "folder", files)) == files
    assert read(write_archive(tmp_path / "archive", files)) == files


def test_where_a_file_of_an_archive_stands_is_told(tmp_path: Path) -> None:
    path = compressed(tmp_path / "x.tar.gz", packed({"a/\x1b[31m": "", "b": b"\xff"}))
    names = [read().name for name, read in open_corpus(path).items() if name != "b"]
    assert names == [f"{path}/a/U+001B[31m"]
    error = refused(path)
    assert (error.message, error.position) == ("this is not UTF-8", Position(1, 1))
    assert error.source is not None
    assert error.source.name == f"{path}/b"


def test_only_files_count(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind in (("d", tarfile.DIRTYPE), ("l", tarfile.SYMTYPE), ("f", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    assert read(compressed(tmp_path / "x.tar.gz", stream.getvalue())) == {}


def test_one_name_twice(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("./a", "a"):
            archive.addfile(tarfile.TarInfo(name))
    assert refused(compressed(tmp_path / "x.tar.gz", stream.getvalue())).message == "the archive holds `a` twice"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the archive is damaged: empty file"),
        (b"PK\x03\x04", "cannot read the archive: Not a gzipped file (b'PK')"),
        (gzip.compress(b"no archive" * 100), "the archive is damaged: "),
        (gzip.compress(packed({"a": "b"}))[:-9], "cannot read the archive: Compressed file ended"),
        (gzip.compress(packed({"a": "b"}))[:-8] + b"\0" * 8, "cannot read the archive: CRC check failed"),
    ],
    ids=["empty", "zip", "no tar", "cut", "checksum"],
)
def test_what_is_no_archive(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(data)
    assert refused(path).message.startswith(message)


def test_what_is_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "nothing").message == "cannot list the folder: no such file or directory"


def test_an_archive_may_not_be_endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_archive(tmp_path / "x.tar.gz", small_corpus())
    size = len(gzip.decompress(path.read_bytes()))
    monkeypatch.setattr(module, "MAX_UNPACKED", size)
    assert read(path)
    monkeypatch.setattr(module, "MAX_UNPACKED", size - 1)
    assert refused(path).message == f"the archive has more than {size - 1} bytes when it is unpacked"


def test_no_file_of_a_damaged_archive_is_silently_missing(tmp_path: Path) -> None:
    """Whatever is overwritten with noise, all files are there or the archive is refused."""
    files = small_corpus()
    good = packed(dict(files))
    rng = random.Random(4)
    counts = {"refused": 0, "read": 0}
    for number in range(rounds(300)):
        at = 512 * rng.randrange(len(good) // 512)
        noise = rng.randbytes(rng.choice((1, 8, 512, 600)))
        path = compressed(tmp_path / "x.tar.gz", (good[:at] + noise + good[at + len(noise) :])[: len(good)])
        error = refusal(lambda path=path: open_corpus(path))  # type: ignore[misc]  # bound now, not later
        if error is None:
            assert len(open_corpus(path)) == len(files), number
        counts["read" if error is None else "refused"] += 1
    assert min(counts.values()) > 10
