"""Decisions while a bundle of 10,000 policies is reloaded again and again, beside decisions while nothing is.

A whole decision point runs in this process, as `pdp serve` would, its cache of answers off. Threads ask its decider at
times that were drawn beforehand (a Poisson process), whether the answers before have come or not, and the time of each
counts from when it was due: whoever is held up is counted, and so are all who wait behind. It contains what the system
takes to wake a thread. `decision` is the call alone. Meanwhile the bundle is turned into another edition, in which each
policy has another id, and the decision point is told to reload; after that, as long again, nothing happens.

Every answer is looked at: all policies in it must be of one edition, the one that its revision stands for.

The process that builds needs a processor besides, or waits for what the others leave.
"""

import random
import tempfile
import threading
import time
from array import array
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any, Final, final

from rich.table import Table

from benchmarks import bundles, report
from pdp.app import App
from pdp.clock import now_ms
from pdp.config import load_config
from pdp.telemetry.logs import EventLog, LogFormat

_THREADS: Final = 2
_QUESTIONS: Final = 2_000
_SEED: Final = 11
_BOUND: Final = 2.0


def run(policies: int, times: int, rate: int, results: Path) -> None:
    """Measure, print a table, write the figures."""
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), policies, times, rate)
    console = report.console()
    console.print(_table(figures))
    console.print(f"written: {report.write(results, 'reload', figures)}")


def measure(root: Path, policies: int, times: int, rate: int) -> list[dict[str, Any]]:
    """The figures of so many reloads while so many questions a second are asked."""
    config = load_config(bundles.write_world(root, policies, "e0"))
    editions = _Editions(root, policies, times)
    app = App(config, EventLog(StringIO(), LogFormat.JSON, now_ms), poll_seconds=3600, alone=True)
    reloads: list[float] = []
    try:
        revisions = {app.start().policy_revision: "e0"}
        with _Asking(app, policies, rate) as warm:
            time.sleep(1.0)
        with _Asking(app, policies, rate) as during:
            for number in range(1, times + 1):
                edition = editions.turn(number)
                started = perf_counter()
                revisions[app.reload().policy_revision] = edition
                reloads.append(perf_counter() - started)
        with _Asking(app, policies, rate) as steady:
            time.sleep(max(1.0, sum(reloads)))
    finally:
        app.stop()
    seen = warm.seen | during.seen | steady.seen
    mixed = sum(bool(found) and found != {revisions[revision]} for revision, found in seen)
    common = {"policies": policies, "rate": rate, "threads": _THREADS, "seed": _SEED}
    rows = [
        {"workload": f"{what}: {kind}", **common, "ours_ns": report.summary(samples)}
        for what, asked in (("steady", steady), (f"during {times} reloads", during))
        for kind, samples in (("from when it was due", asked.waited), ("decision", asked.decided))
    ]
    summary = {
        "workload": f"{times} reloads",
        **common,
        "asked": len(during.waited),
        "revisions_seen": len({revision for revision, _ in seen}),
        "answers_of_no_one_revision": mixed,
        "p99_to_steady": {
            "from when it was due": _ratio(during.waited, steady.waited),
            "decision": _ratio(during.decided, steady.decided),
        },
        "longest_ms": {"steady": _longest(steady), "during": _longest(during)},
        "reload_s": {"least": round(min(reloads), 3), "most": round(max(reloads), 3), "sum": round(sum(reloads), 3)},
    }
    return [*rows, summary]


def _ratio(samples: Sequence[int], others: Sequence[int]) -> float:
    return round(report.percentile(sorted(samples), 99) / report.percentile(sorted(others), 99), 2)


def _longest(asked: "_Asking") -> float:
    return round(max(asked.waited) / 1e6, 1)


@final
class _Editions:
    """Editions of a bundle, all written beforehand; the bundle's directory is a link that is turned to one of them."""

    def __init__(self, root: Path, policies: int, times: int) -> None:
        self._link: Final = root / "bundle"
        self._link.rename(root / "e0")
        self._link.symlink_to("e0")
        for number in range(1, times + 1):
            bundles.write_bundle(root / f"e{number}", policies, f"e{number}")

    def turn(self, number: int) -> str:
        """Turn the link to an edition; gives its name."""
        new = self._link.with_name("new")
        new.symlink_to(f"e{number}")
        new.replace(self._link)
        return f"e{number}"


@final
class _Asking:
    """Asks, while the context lasts, at times that do not depend on the answers.

    `waited` are nanoseconds from when a question was due, `decided` those of the call alone. `seen` has the revisions
    of all answers, each with the editions of the policies in one answer.
    """

    def __init__(self, app: App, policies: int, rate: int) -> None:
        self.waited: Final = array("q")
        self.decided: Final = array("q")
        self.seen: Final[set[tuple[str, frozenset[str]]]] = set()
        self._decide: Final = app.decider.decide
        self._questions: Final = bundles.questions(policies, _QUESTIONS, _SEED)
        self._gap: Final = rate / _THREADS / 1e9
        self._done: Final = threading.Event()
        self._threads: Final = [threading.Thread(target=self._run, args=(seed,)) for seed in range(_THREADS)]

    def _run(self, seed: int) -> None:
        rng, clock, sleep = random.Random(seed), time.perf_counter_ns, time.sleep
        waited, decided = array("q"), array("q")
        due = clock()
        while not self._done.is_set():
            due += int(rng.expovariate(self._gap))
            question = self._questions[rng.randrange(_QUESTIONS)]
            if (ahead := due - clock()) > 0:
                sleep(ahead / 1e9)
            start = clock()
            verdict = self._decide(question)
            end = clock()
            waited.append(end - due)
            decided.append(end - start)
            found = frozenset([bundles.edition_of(policy.id) for policy in verdict.policies])
            self.seen.add((verdict.policy_revision, found))
        self.waited.extend(waited)
        self.decided.extend(decided)

    def __enter__(self) -> "_Asking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()


def _table(figures: list[dict[str, Any]]) -> Table:
    *rows, summary = figures
    held = max(summary["p99_to_steady"].values()) <= _BOUND and not summary["answers_of_no_one_revision"]
    table = Table(
        title=f"{summary['asked']:,} decisions during {summary['workload']} of {summary['policies']:,} policies, "
        f"{summary['reload_s']['least']} to {summary['reload_s']['most']} s each; microseconds",
        caption=f"answers of no one revision: {summary['answers_of_no_one_revision']}; p99 to steady: "
        + ", ".join(f"{ratio} ({kind})" for kind, ratio in summary["p99_to_steady"].items())
        + f"; bound {_BOUND:g}: {'held' if held else 'NOT HELD'}",
    )
    table.add_column("", no_wrap=True)
    for column in ("p50", "p90", "p99", "p99.9"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row["workload"], *[report.microseconds(row["ours_ns"][at]) for at in ("p50", "p90", "p99", "p99.9")]
        )
    return table
