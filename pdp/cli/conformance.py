"""`pdp conformance`: the official integration tests of Cedar, asked of this program."""

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from pdp.cli import exits
from pdp.cli.options import OptionError
from pdp.cli.output import counted, labelled, plain, standard_output

if TYPE_CHECKING:
    from pdp.conformance.running import Disagreement, Outcome
    from pdp.conformance.tally import Tally

_T = TypeVar("_T")


def conformance(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="The corpus: a folder, or a packed archive ([bold].tar.gz[/bold]), which stays packed.",
        ),
    ],
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Run the first so many cases, in the order of their names.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="With [bold]--limit[/bold]: draw them by this seed, instead of the first ones."),
    ] = None,
    show: Annotated[
        int, typer.Option(metavar="N", min=0, help="Show the disagreements about the first so many questions.")
    ] = 10,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=256, help="How many processes work.  [dim]\\[default: one a CPU][/dim]"),
    ] = None,
) -> None:
    """Run the official integration tests of Cedar (cedar-integration-tests), and say how many answers agree.

    Every case is validated, and its requests are decided, by the interpreter, by the compiled program, and by the
    compiled program once more after policies and schema were printed and read, and after all was written as JSON and
    read. Decision, reasons, errors and validity must be those of the reference implementation.
    """
    if seed is not None and limit is None:
        raise OptionError("`--seed` draws some of the cases", help="say with `--limit` how many")
    from pdp.conformance.cases import load_cases
    from pdp.conformance.pool import run_cases
    from pdp.conformance.tally import Tally

    cases = _chosen(load_cases(path), limit, seed)
    console = standard_output()
    tally = Tally(show)
    for outcome in _watched(run_cases(cases, jobs or os.cpu_count() or 1), len(cases), console):
        tally.add(outcome)
    for question in tally.questions:
        for line in _disagreement(question):
            console.print(line)
    if tally.disputed > len(tally.questions):
        console.print(
            Text(f"... and about {counted(tally.disputed - len(tally.questions), 'question')} more", "yellow")
        )
    for line in _table(tally):
        console.print(line)
    raise typer.Exit(exits.DENIED if tally.disputed else exits.OK)


def _chosen(cases: Sequence[_T], limit: int | None, seed: int | None) -> Sequence[_T]:
    if limit is None or limit >= len(cases):
        return cases
    if seed is None:
        return cases[:limit]
    return [cases[index] for index in sorted(random.Random(seed).sample(range(len(cases)), limit))]  # noqa: S311  no secret


def _watched(outcomes: Iterable["Outcome"], total: int, console: Console) -> Iterable["Outcome"]:
    """The outcomes as they come, with a bar for whoever watches."""
    if not console.is_terminal:
        return outcomes
    from rich.progress import track

    return track(outcomes, "cases", total, console=console, transient=True)


def _disagreement(question: Sequence["Disagreement"]) -> Iterator[Text]:
    first = question[0]
    yield Text.assemble(("DISAGREES", "bold red"), f"  {plain(first.case)}")
    if first.request:
        yield labelled("request", first.request)
    ways: dict[tuple[str, str, str], list[str]] = {}
    for miss in question:
        ways.setdefault((miss.part.value, miss.expected, miss.got), []).append(miss.way.value)
    for (part, expected, got), names in ways.items():
        yield labelled(part, f"expected {expected}, got {got}  ({', '.join(names)})")


def _table(tally: "Tally") -> Iterator[Text]:
    from pdp.conformance.running import Part, Way

    rows = [["", *(part.value for part in Part)]]
    for way in Way:
        counts = (f"{tally.agreed(way, part):,} of {tally.total(part):,}" for part in Part)
        rows.append([way.value, *counts])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield Text(
        f"{counted(tally.cases, 'case')}, {counted(tally.requests, 'request')}",
        "bold red" if tally.disputed else "bold green",
    )
    for name, *cells in rows:
        padded = [name.ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        yield Text("  ".join(padded))
