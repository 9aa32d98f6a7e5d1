"""`pdp test`: runs the test cases of a bundle, and says how much of its policies they show."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from pdp.cedar.wire.strict_json import Json
from pdp.cli import exits, options
from pdp.cli.output import labelled, place_of, plain, standard_output

if TYPE_CHECKING:
    from pdp.engine.coverage import Coverage
    from pdp.engine.rehearsal import Outcome


def run_cases(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that holds pdp.yaml and the cases in tests/.")
    ] = options.CONFIG.parent,
    coverage: Annotated[
        bool,
        typer.Option(
            "--coverage",
            help="Show in how many cases each policy was in scope, was satisfied and determined the answer, and each "
            "operand of the [bold]&&[/bold] in its conditions was true and was false; one that was not reached, or "
            "failed, was neither. A template stands for all grants of it.",
        ),
    ] = False,
    fail_under: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=100,
            help="Fail if less than so many percent are covered: of all policies and operands together, the policies "
            "that determined an answer and the operands that were both true and false.",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Run the test cases of a bundle: each asks one question and says what the answer must be."""
    outcomes, covered = _rehearsed(directory, measured=coverage or fail_under is not None)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if as_json:
        _print_json(outcomes, covered)
    else:
        _print(outcomes, covered, fail_under or 0, with_table=coverage)
    enough = covered is None or covered.reaches(fail_under or 0)
    raise typer.Exit(exits.DENIED if failed or not enough else exits.OK)


def _rehearsed(directory: Path, *, measured: bool) -> tuple[list["Outcome"], "Coverage | None"]:
    from pdp.cli.offline import build, read_bundle, read_config
    from pdp.engine.coverage import Coverage
    from pdp.engine.decider import ReasonClass
    from pdp.engine.rehearsal import Rehearsal
    from pdp.inventory.reading import load_routes
    from pdp.policies.cases import load_cases

    config = read_config(None, directory, options.CONFIG)
    bundle = read_bundle(config)
    routes = load_routes(config.inventory, bundle.schema)
    cases = load_cases(directory / "tests")
    coverage = Coverage(bundle.policies) if measured else None
    outcomes: list[Outcome] = []
    for now, group in groupby(sorted(cases, key=lambda case: case.now), key=lambda case: case.now):
        world = build(config, bundle, now)
        rehearsal = Rehearsal(world, config.freshness, routes)
        for case in group:
            outcome = rehearsal.run(case)
            outcomes.append(outcome)
            if coverage is not None and outcome.verdict.reason is not ReasonClass.INVALID_REQUEST:
                coverage.add(world, rehearsal.enriched(case), outcome.verdict)
    return outcomes, coverage


def _print(outcomes: Sequence["Outcome"], coverage: "Coverage | None", wanted: int, *, with_table: bool) -> None:
    from pdp.cli.coverage import summary, table

    console = standard_output()
    if coverage is not None and with_table:
        for row in table(coverage):
            console.print(row)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        for line in _failure(outcome):
            console.print(line)
    style = "bold red" if failed else "bold green"
    console.print(Text(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed", style))
    if coverage is not None:
        console.print(summary(coverage, wanted))


def _print_json(outcomes: Sequence["Outcome"], coverage: "Coverage | None") -> None:
    from pdp.cli.coverage import to_json

    failures: list[Json] = [_failure_json(outcome) for outcome in outcomes if not outcome.passed]
    whole: dict[str, Json] = {
        "passed": len(outcomes) - len(failures),
        "failed": len(failures),
        "failures": failures,
        "coverage": None if coverage is None else to_json(coverage),
    }
    standard_output().out(json.dumps(whole, ensure_ascii=True, indent=2))


def _failure(outcome: "Outcome") -> Iterator[Text]:
    node = outcome.case.node
    yield Text.assemble(("FAILED", "bold red"), f"  {plain(outcome.case.name)}")
    yield Text(f"  {plain(place_of(node.source, node.span))}", "cyan")
    for miss in outcome.mismatches:
        yield labelled(miss.part, f"expected {miss.expected}, got {miss.got}")
    yield labelled("message", outcome.verdict.message)
    for error in outcome.verdict.errors:
        yield labelled("error", f"{error.policy_id}: {error.kind.value}: {error.message}")


def _failure_json(outcome: "Outcome") -> dict[str, Json]:
    node = outcome.case.node
    position = node.source.position(node.span.start)
    return {
        "name": outcome.case.name,
        "file": node.source.name,
        "line": position.line,
        "column": position.column,
        "mismatches": [{"part": miss.part, "expected": miss.expected, "got": miss.got} for miss in outcome.mismatches],
        "message": outcome.verdict.message,
        "errors": [
            {"policy": error.policy_id, "kind": error.kind.value, "message": error.message}
            for error in outcome.verdict.errors
        ],
    }
