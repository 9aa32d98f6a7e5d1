"""A cold start with 10,000 policies: from their sources, and from a built bundle.

Each start is a process of its own, which reads its configuration, policies and facts, compiles, and answers one
question; so every import is counted. `whole` is from the outside, from before the process begins until it has ended;
the other columns are the process's own account of it. `beyond` is what a start takes more than a Python that does
nothing. `serving` goes on until the servers listen and the decision point is ready, as `pdp serve` does. The kinds of
start take turns, and of each the least and the median are shown: a machine that does other work makes a start longer,
and never shorter.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from rich.table import Table

from benchmarks import bundles, report
from pdp.config import load_config
from pdp.policies.built.building import build

_BOUND: Final = 0.5
_STAGES: Final = ("imports", "bundle", "facts", "world", "prepare", "answer")

NOTHING: Final = "pass"
DECIDING: Final = """\
from time import perf_counter
times = [perf_counter()]
import gc, json, sys
from pathlib import Path
gc.disable()
from benchmarks.bundles import questions
from pdp.config import load_config
from pdp.context.files import load_facts
from pdp.engine.chain import build_chain
from pdp.engine.evaluating import Evaluating
from pdp.engine.snapshot import CurrentWorld, build_world
from pdp.policies.loading import BundleLoader
times.append(perf_counter())
config = load_config(Path(sys.argv[1]))
bundle = BundleLoader(config.policies, print).load()
times.append(perf_counter())
facts = load_facts(config.context.directory, bundle.schema, 0, relative_times=False)
times.append(perf_counter())
world = build_world(bundle, facts)
times.append(perf_counter())
world.program.prepare(world.schema, facts.entities)
times.append(perf_counter())
current = CurrentWorld()
current.world = world
verdict = Evaluating(current, config.freshness, lambda: 0).decide(questions(int(sys.argv[2]), 1, 1)[0])
times.append(perf_counter())
assert verdict.policy_revision and verdict.reason.value in {"allowed", "forbidden", "not_permitted"}, verdict
json.dump([after - before for before, after in zip(times, times[1:])], sys.stdout)
sys.stdout.flush()
import os
os._exit(0)
"""
SERVING: Final = """\
from time import perf_counter
start = perf_counter()
import json, os, sys
from pathlib import Path
from pdp.app import App
from pdp.config import load_config
imported = perf_counter()
App(load_config(Path(sys.argv[1])), alone=True).start()
json.dump([imported - start, perf_counter() - imported], sys.stdout)
sys.stdout.flush()
os._exit(0)
"""


def run(policies: int, starts: int, results: Path) -> None:
    """Measure, print a table, write the figures."""
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), policies, starts)
    console = report.console()
    console.print(_table(figures))
    console.print(f"written: {report.write(results, 'startup', figures)}")


def measure(root: Path, policies: int, starts: int) -> list[dict[str, Any]]:
    """The figures of so many starts of each kind."""
    sources = bundles.write_world(root, policies, "e0")
    data = build(load_config(sources).policies.directory)
    (root / "built.pdpb").write_bytes(data)
    built = root / "built.yaml"
    key = f"built: built.pdpb, built_sha256: {sha256(data).hexdigest()}, rebuild: false"
    built.write_text(
        sources.read_text("utf-8").replace("{directory: bundle}", f"{{directory: bundle, {key}}}"), "utf-8"
    )
    kinds = {
        "nothing": (NOTHING,),
        "deciding, from sources": (DECIDING, str(sources), str(policies)),
        "deciding, from a built bundle": (DECIDING, str(built), str(policies)),
        "serving, from sources": (SERVING, str(sources)),
        "serving, from a built bundle": (SERVING, str(built)),
    }
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as cache:
        for number in range(starts + 1):
            for kind, arguments in kinds.items():
                once = _start(arguments, cache)
                if number:  # the first one writes the bytecode
                    found[kind].append(once)
    nothing = min(once["whole"] for once in found["nothing"])
    return [_figures(kind, samples, nothing, policies, len(data)) for kind, samples in found.items()]


def _start(arguments: Sequence[str], cache: str) -> dict[str, float]:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"PYTHONPYCACHEPREFIX": cache, "PYTHONPATH": str(Path(__file__).parents[1])}
    started = perf_counter()
    done = subprocess.run([sys.executable, "-c", *arguments], env=env, capture_output=True, check=False)
    whole = perf_counter() - started
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    stages = json.loads(done.stdout) if done.stdout else []
    names = _STAGES if len(stages) == len(_STAGES) else ("imports", "start")
    return {"whole": whole, **dict(zip(names, stages, strict=False))}


def _figures(kind: str, samples: list[dict[str, float]], nothing: float, policies: int, size: int) -> dict[str, Any]:
    ordered = sorted(samples, key=lambda once: once["whole"])
    least, median = ordered[0], ordered[len(ordered) // 2]
    return {
        "workload": kind,
        "policies": policies,
        "built_bytes": size,
        "starts": len(samples),
        "ours_ns": {"least": round(least["whole"] * 1e9), "p50": round(median["whole"] * 1e9)},
        "beyond_s": {"least": round(least["whole"] - nothing, 4), "median": round(median["whole"] - nothing, 4)},
        "stages_s": {name: round(min(once[name] for once in samples), 4) for name in least if name != "whole"},
    }


def _table(figures: list[dict[str, Any]]) -> Table:
    (deciding,) = [row for row in figures if row["workload"] == "deciding, from a built bundle"]
    held = deciding["beyond_s"]["median"] <= _BOUND
    table = Table(
        title=f"a cold start with {deciding['policies']:,} policies, milliseconds",
        caption=f"deciding from a built bundle of {deciding['built_bytes'] / 1e6:.1f} MB, median beyond the "
        f"interpreter {deciding['beyond_s']['median']:.3f} s; bound {_BOUND:g} s: {'held' if held else 'NOT HELD'}",
    )
    table.add_column("", no_wrap=True)
    for column in ("least", "median", "beyond", *_STAGES, "start"):
        table.add_column(column, justify="right")
    for row in figures:
        table.add_row(
            row["workload"],
            *[f"{row['ours_ns'][at] / 1e6:,.0f}" for at in ("least", "p50")],
            f"{row['beyond_s']['median'] * 1e3:,.0f}",
            *[f"{row['stages_s'][name] * 1e3:,.0f}" if name in row["stages_s"] else "" for name in (*_STAGES, "start")],
        )
    return table
