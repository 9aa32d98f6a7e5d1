"""Several processes: the same outcomes in the same order, and one that ends early is no silent loss."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest
from small_corpus import small_corpus, write_folder

from pdp.conformance import pool
from pdp.conformance.cases import Case, load_cases
from pdp.conformance.files import CorpusError
from pdp.conformance.pool import run_cases


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    """So many that two processes are given some, and every third expects something else than it gets."""
    links, wrong, one = load_cases(write_folder(tmp_path, small_corpus()))
    made = [replace(case, id=f"{number:02}") for number in range(24) for case in (links, wrong, one)]
    return [replace(case, valid=not case.valid) if index % 3 == 0 else case for index, case in enumerate(made)]


def test_the_number_of_processes_does_not_matter(cases: list[Case]) -> None:
    alone = list(run_cases(cases, 1))
    assert [bool(outcome.disagreements) for outcome in alone] == [index % 3 == 0 for index in range(72)]
    assert list(run_cases(cases, 3)) == alone


def test_no_process_is_started_for_a_few_cases(cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pool, "ProcessPoolExecutor")
    assert len(list(run_cases(cases[:64], 8))) == 64
    assert list(run_cases([], 8)) == []
    with pytest.raises(NameError):
        list(run_cases(cases, 8))


def test_a_process_that_ends_early(cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(ProcessPoolExecutor):
        def map(self, *_: object, **__: object) -> Iterator[None]:  # type: ignore[override]  # what is used of it
            raise BrokenProcessPool("killed")

    monkeypatch.setattr(pool, "ProcessPoolExecutor", Broken)
    with pytest.raises(CorpusError) as caught:
        list(run_cases(cases, 2))
    assert caught.value.help == "try `--jobs 1`"
