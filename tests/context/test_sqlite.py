"""The store in SQLite keeps the contract of stores, through restarts, kills, full disks and damaged files."""

import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from context_model import UIDS, same
from hypothesis import given, settings
from store_contract import ALL, ANA, BEN, STAFF, Hands, Log, StoreContract, logs, number_of, numbered, write_log

from pdp.cedar.entities import Entity
from pdp.cedar.values import EntityUID
from pdp.clock import Clock, now_ms
from pdp.context import sqlite
from pdp.context.changes import Change, DropEntity, EntityKey, PutEntity, SetMembership
from pdp.context.sqlite import SqliteStore
from pdp.context.state import BelievedEntity
from pdp.context.store import ContextStore, HistoryGoneError, StoreError

KILLS = 8
"""Times that a writer is killed; 200 under the nightly profile."""

WRITER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from store_contract import numbered
from pdp.context.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
while True:
    number = store.snapshot().revision + 1
    store.write(numbered(number), "scim", number)
    print(number, flush=True)
"""


class TestSqliteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folders(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.base = tmp_path_factory.mktemp("stores")
        self.numbers = count()

    def make(self, clock: Clock) -> ContextStore:
        return SqliteStore(self.base / str(next(self.numbers)), clock)


@contextmanager
def opened(folder: Path, clock: Clock = now_ms) -> Iterator[SqliteStore]:
    """A store that is closed at the end of the block."""
    with closing(SqliteStore(folder, clock)) as store:
        yield store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with opened(tmp_path / "store") as store:
        for number in range(1, 20):
            store.write(numbered(number), "scim", number)
    return tmp_path / "store"


@settings(max_examples=max(25, settings().max_examples // 50))
@given(logs)
def test_the_facts_are_those_of_a_naive_replay_of_the_log_also_after_a_restart(log: Log) -> None:
    hands, instants = Hands(), range(1_000, 1_007)
    with TemporaryDirectory() as folder:
        with opened(Path(folder), hands) as store:
            write_log(store, hands, log)
            before = store.snapshot()
            keys = [EntityKey(uid) for uid in UIDS]
            remembered = {(key, instant): store.believed(key, instant) for key in keys for instant in instants}
        with opened(Path(folder), hands) as store:
            assert store.snapshot().revision == before.revision
            assert same(store.snapshot().facts, before.facts)
            assert {(key, instant): store.believed(key, instant) for key, instant in remembered} == remembered


def test_a_restart_goes_on_where_it_was(folder: Path) -> None:
    with opened(folder) as store:
        assert (store.snapshot().revision, number_of(store.snapshot().facts)) == (19, 19)
        assert store.write(numbered(20), "scim", 20).revision == 20


def test_ancestors_are_closed_anew_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.write([PutEntity(Entity(ANA, parents=frozenset({STAFF}))), PutEntity(Entity(STAFF))], "scim", 1)
        store.write([SetMembership(STAFF, ALL, True)], "scim", 2)
    with opened(tmp_path) as store:
        ana = store.snapshot().facts.entities.get(ANA)
        assert ana is not None
        assert ana.ancestors == {STAFF, ALL}
        store.write([SetMembership(STAFF, ALL, False)], "scim", 3)
        ana = store.snapshot().facts.entities.get(ANA)
        assert ana is not None
        assert ana.ancestors == {STAFF}


def test_a_time_that_was_ahead_stays_ahead_after_a_restart(tmp_path: Path) -> None:
    hands = Hands()
    with opened(tmp_path, hands) as store:
        store.write(numbered(1), "scim", 1)
    hands.now = 500
    with opened(tmp_path, hands) as store:
        store.write(numbered(2), "scim", 2)
        believed = store.believed(EntityKey(ANA), 1_000)
        assert isinstance(believed, BelievedEntity)
        assert believed.entity.attrs == {"number": 2}


def test_a_second_decision_point_is_refused(folder: Path) -> None:
    with opened(folder), pytest.raises(StoreError, match="another decision point") as caught:
        SqliteStore(folder)
    assert caught.value.help
    with opened(folder):
        """The lock has gone with its holder."""


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(folder: Path, request: pytest.FixtureRequest) -> None:
    """Killed at a random moment: what it said it wrote is there, and what is there is whole."""
    chance = random.Random(0)
    kills = 200 if request.config.getoption("--hypothesis-profile") == "nightly" else KILLS
    path = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]
    acknowledged = 19
    for _ in range(kills):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder), *path], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(chance.randrange(1, 4))]
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.read().splitlines()
        writer.stdout.close()
        writer.wait()
        acknowledged = max(acknowledged, *(int(line) for line in said if line.strip()))
        with opened(folder) as store:
            revision = store.snapshot().revision
            assert acknowledged <= revision <= acknowledged + 1
            assert number_of(store.snapshot().facts) == revision
            believed = store.believed(EntityKey(ANA), 2**60)
            assert isinstance(believed, BelievedEntity)
            assert believed.origin.revision == revision
            acknowledged = revision


def test_a_full_disk_refuses_the_write_and_loses_nothing(folder: Path) -> None:
    with opened(folder) as store:
        pages = store._database.execute("PRAGMA page_count").fetchone()[0]
        store._database.execute(f"PRAGMA max_page_count = {pages}")
        big: list[Change] = [PutEntity(Entity(EntityUID("User", str(n)), {"text": "x" * 500})) for n in range(200)]
        with pytest.raises(StoreError, match="full"):
            store.write(big, "scim", 99)
        assert (store.snapshot().revision, number_of(store.snapshot().facts)) == (19, 19)
        store._database.execute(f"PRAGMA max_page_count = {pages + 10_000}")
        assert store.write(big, "scim", 99).revision == 20
    with opened(folder) as store:
        assert len(store.snapshot().facts.entities) == 201


def test_a_locked_file_refuses_the_write_and_recovers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "LOCKED_SECONDS", 0.05)
    other = sqlite3.connect(folder / "context.sqlite", isolation_level=None)
    with opened(folder) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.write(numbered(20), "scim", 20)
        assert store.snapshot().revision == 19
        other.execute("ROLLBACK")
        assert store.write(numbered(20), "scim", 20).revision == 20
    other.close()


def test_a_damaged_file_is_refused_or_read_right(folder: Path) -> None:
    """Cut or overwritten anywhere: refused by name, or what is read is what some acknowledged write left."""
    path = folder / "context.sqlite"
    sound = path.read_bytes()
    chance, refused = random.Random(1), 0
    for round in range(60):
        if round % 2:
            path.write_bytes(sound[: chance.randrange(1, len(sound))])
        else:
            at = chance.randrange(len(sound) - 64)
            path.write_bytes(sound[:at] + chance.randbytes(64) + sound[at + 64 :])
        for name in ("context.sqlite-wal", "context.sqlite-shm"):
            (folder / name).unlink(missing_ok=True)
        try:
            store = SqliteStore(folder)
        except StoreError:
            refused += 1
            continue
        with closing(store):
            assert number_of(store.snapshot().facts) == 19
    assert refused > 30


@pytest.mark.parametrize(
    ("pragma", "message"), [("application_id = 7", "not a store of facts"), ("user_version = 2", "of format 2")]
)
def test_another_file_or_format_is_refused_by_name(folder: Path, pragma: str, message: str) -> None:
    with sqlite3.connect(folder / "context.sqlite") as other:
        other.execute(f"PRAGMA {pragma}")
    other.close()
    with pytest.raises(StoreError, match=message):
        SqliteStore(folder)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot open the store"):
        SqliteStore(tmp_path / "file")


def test_history_is_forgotten_in_slices_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "SLICE", 2)
    hands = Hands()
    with opened(tmp_path, hands) as store:
        store.write([PutEntity(Entity(BEN))], "scim", 1)
        for number in range(1, 9):
            hands.now = 1_000 * number
            store.write(numbered(number), "scim", number)
        hands.now = 9_000
        store.write([DropEntity(ANA)], "scim", 9)
        before = {at: store.believed(EntityKey(ANA), at) for at in range(5_000, 10_000, 500)}
        assert store.forget(5_500) == 4 * 3
        assert store.forget(5_500) == 0
        with pytest.raises(HistoryGoneError):
            store.believed(EntityKey(ANA), 5_499)
        after = {at: store.believed(EntityKey(ANA), at) for at in range(5_500, 10_000, 500)}
        assert after == {at: before[at] for at in after}
        assert store.believed(EntityKey(BEN), 5_500) is not None
    with opened(tmp_path, hands) as store:
        with pytest.raises(HistoryGoneError):
            store.believed(EntityKey(ANA), 5_499)
        assert store.forget(5_000) == 0


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "store"):
        assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "store" / "lock").stat().st_mode & 0o777 == 0o600
