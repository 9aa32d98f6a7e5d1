"""`pdp test`: runs the test cases of a bundle."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from pdp.cli import exits, options
from pdp.cli.output import labelled, place_of, plain, standard_output

if TYPE_CHECKING:
    from pdp.engine.rehearsal import Outcome


def run_cases(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that holds pdp.yaml and the cases in tests/.")
    ] = options.CONFIG.parent,
) -> None:
    """Run the test cases of a bundle: each asks one question and says what the answer must be."""
    from pdp.cli.offline import build, read_bundle, read_config
    from pdp.engine.rehearsal import Rehearsal
    from pdp.inventory.routes import load_routes
    from pdp.policies.cases import load_cases

    config = read_config(None, directory, options.CONFIG)
    bundle, routes = read_bundle(config), load_routes(config.inventory.routes)
    cases = load_cases(directory / "tests")
    console = standard_output()
    failed = 0
    for now, group in groupby(sorted(cases, key=lambda case: case.now), key=lambda case: case.now):
        rehearsal = Rehearsal(build(config, bundle, now), config.freshness, routes)
        for outcome in map(rehearsal.run, group):
            if not outcome.passed:
                failed += 1
                for line in _failure(outcome):
                    console.print(line)
    passed = len(cases) - failed
    console.print(Text(f"{passed} passed, {failed} failed", "bold red" if failed else "bold green"))
    raise typer.Exit(exits.DENIED if failed else exits.OK)


def _failure(outcome: "Outcome") -> Iterator[Text]:
    node = outcome.case.node
    yield Text.assemble(("FAILED", "bold red"), f"  {plain(outcome.case.name)}")
    yield Text(f"  {plain(place_of(node.source, node.span))}", "cyan")
    for miss in outcome.mismatches:
        yield labelled(miss.part, f"expected {miss.expected}, got {miss.got}")
    yield labelled("message", outcome.verdict.message)
    for error in outcome.verdict.errors:
        yield labelled("error", f"{error.policy_id}: {error.kind.value}: {error.message}")
