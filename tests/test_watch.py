"""The watcher: what it sees, when it calls, and that nothing on the disk ends it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from pdp.watch import Watcher, fingerprint

POLL = 0.01
SETTLED = 0.2
"""Seconds in which many looks are taken."""


@pytest.fixture
def causes() -> SimpleQueue[str]:
    """Why the watcher called."""
    return SimpleQueue()


@pytest.fixture
def watch(causes: SimpleQueue[str]) -> Iterator[Callable[[Path], Watcher]]:
    """Starts a watcher of one path."""
    started: list[Watcher] = []

    def start(path: Path) -> Watcher:
        watcher = Watcher([path], causes.put, POLL)
        watcher.start()
        started.append(watcher)
        return watcher

    yield start
    for watcher in started:
        watcher.stop()


def write_new(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)


def change_content(root: Path) -> None:
    write_new(root / "a" / "one.cedar", "longer than before")


def change_time_alone(root: Path) -> None:
    os.utime(root / "a" / "one.cedar", ns=(1, 1))


def replace_by_another_of_equal_size_and_time(root: Path) -> None:
    old = root / "a" / "one.cedar"
    status = old.stat()
    new = root / "new"
    write_new(new, "x" * status.st_size)
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(old)


def add_a_file(root: Path) -> None:
    write_new(root / "a" / "b" / "two.cedar", "")


def remove_a_file(root: Path) -> None:
    (root / "a" / "one.cedar").unlink()


def turn_a_link_to_a_folder(root: Path) -> None:
    other = root.parent / "other"
    other.mkdir()
    (root / "link").unlink()
    (root / "link").symlink_to(other)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file and a link to a folder."""
    made = tmp_path / "root"
    write_new(made / "a" / "one.cedar", "text")
    (tmp_path / "first").mkdir()
    (made / "link").symlink_to(tmp_path / "first")
    return made


@pytest.mark.parametrize(
    "change",
    [
        change_content,
        change_time_alone,
        replace_by_another_of_equal_size_and_time,
        add_a_file,
        remove_a_file,
        turn_a_link_to_a_folder,
    ],
)
def test_each_kind_of_change_is_seen(root: Path, change: Callable[[Path], None]) -> None:
    before = fingerprint([root])
    assert fingerprint([root]) == before
    change(root)
    assert fingerprint([root]) != before


def test_a_file_is_told_from_another_of_equal_size_and_time(root: Path) -> None:
    file = root / "a" / "one.cedar"
    before = fingerprint([file])
    replace_by_another_of_equal_size_and_time(root)
    after = fingerprint([file])
    assert {found[1:] for found in before.values()} == {found[1:] for found in after.values()}
    assert after != before


def test_a_fingerprint_of_nothing_and_of_loops_does_not_fail(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    found = fingerprint([tmp_path, tmp_path / "nowhere", tmp_path / "itself"])
    assert set(found) == {str(tmp_path), str(tmp_path / "loop")}


def test_a_change_is_called_once_it_stands_still_and_only_once(
    root: Path, watch: Callable[[Path], Watcher], causes: SimpleQueue[str]
) -> None:
    watch(root)
    change_content(root)
    assert causes.get(timeout=5) == "files changed"
    with pytest.raises(Empty):
        causes.get(timeout=SETTLED)


def test_files_that_keep_changing_are_not_read(
    root: Path, watch: Callable[[Path], Watcher], causes: SimpleQueue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each look finds another state, as while a copy is going on.
    states = iter(range(1_000_000))
    moving = True
    real = fingerprint

    def look(paths: list[Path]) -> object:
        return {"copy": (next(states), 0, 0)} if moving else real(paths)

    monkeypatch.setattr("pdp.watch.fingerprint", look)
    watch(root)
    with pytest.raises(Empty):
        causes.get(timeout=SETTLED)
    moving = False
    assert causes.get(timeout=5) == "files changed"


def test_an_order_calls_without_any_change(
    root: Path, watch: Callable[[Path], Watcher], causes: SimpleQueue[str]
) -> None:
    watch(root).order("SIGHUP")
    assert causes.get(timeout=5) == "SIGHUP"


def test_what_an_order_has_read_is_not_read_again(
    root: Path, watch: Callable[[Path], Watcher], causes: SimpleQueue[str]
) -> None:
    watcher = Watcher([root], causes.put, poll_seconds=60)
    change_content(root)
    watcher.order("SIGHUP")
    watcher.start()
    assert causes.get(timeout=5) == "SIGHUP"
    assert watcher._seen == fingerprint([root])
    watcher.stop()


def test_stopping_waits_for_a_running_call_and_lets_none_follow(root: Path) -> None:
    began, may_end, ended = SimpleQueue[str](), SimpleQueue[None](), []

    def reload(cause: str) -> None:
        began.put(cause)
        may_end.get()
        ended.append(cause)

    watcher = Watcher([root], reload, POLL)
    watcher.start()
    watcher.order("one")
    assert began.get(timeout=5) == "one"
    may_end.put(None)
    watcher.stop()
    assert ended == ["one"]
    watcher.order("two")
    with pytest.raises(Empty):
        began.get(timeout=SETTLED)


def test_stopping_what_never_started_returns(root: Path) -> None:
    Watcher([root], lambda _: None, POLL).stop()
