"""`pdp fmt`: policy files in one layout."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from pdp.cedar.errors import CedarError
from pdp.cedar.limits import MAX_FORMAT_INDENT
from pdp.cedar.text.formatter import format_policies
from pdp.cli import exits
from pdp.cli.files import STANDARD, policy_files, read_input, write_file, write_out
from pdp.cli.options import OptionError
from pdp.cli.output import counted, labelled, plain, print_error, standard_output

_STYLES: Final = {"+": "green", "-": "red", "@": "cyan"}
_NO_END: Final = "\n\\ No newline at end of file\n"


def fmt(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            help="Policy files, folders with such files ([bold]*.cedar[/bold]), or [bold]-[/bold] for standard input, "
            "which is then formatted to standard output.",
        ),
    ],
    check: Annotated[bool, typer.Option("--check", help="Write nothing; say which files would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")] = False,
    width: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="Columns of a line, where it can be.")] = 80,
    indent: Annotated[
        int, typer.Option(metavar="N", min=0, max=MAX_FORMAT_INDENT, help="Spaces for each level of nesting.")
    ] = 2,
) -> None:
    """Lay out policy files as Cedar's own formatter does; comments stay, and so does the meaning.

    A file is replaced as a whole or left as it is. One at fault is told, and the others are formatted.
    """
    if STANDARD in paths and len(paths) > 1:
        raise OptionError("standard input is formatted alone", help="give `-`, or files")
    files = paths if STANDARD in paths else policy_files(paths, ".cedar")
    changed: list[Path] = []
    faults = 0
    for file in files:
        try:
            source = read_input(file)
            formatted = format_policies(source, width, indent)
            if diff:
                _show(_difference(source.name, source.text, formatted))
            elif not check:
                _write(file, source.text, formatted)
        except CedarError as error:
            print_error(error)
            faults += 1
        else:
            if formatted != source.text:
                changed.append(file)
    if not diff and (check or STANDARD not in files):
        _report(changed, len(files) - len(changed) - faults, check=check)
    raise typer.Exit(exits.FAULT if faults else exits.DENIED if check and changed else exits.OK)


def _write(file: Path, text: str, formatted: str) -> None:
    if file == STANDARD:
        write_out(formatted)
    elif formatted != text:
        write_file(file, formatted)


def _difference(name: str, text: str, formatted: str) -> Iterator[str]:
    """Lines of a unified diff, as `patch` takes them."""
    return difflib.unified_diff(_lines(text), _lines(formatted), name, name)


def _lines(text: str) -> list[str]:
    """Lines with their ends, which are LF alone."""
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([f"{last}{_NO_END}"] if last else [])


def _show(difference: Iterator[str]) -> None:
    console = standard_output()
    for line in difference:
        if console.is_terminal:
            console.print(Text(plain(line.rstrip("\n")), _STYLES.get(line[0], "")))
        else:
            write_out(line)


def _report(changed: list[Path], unchanged: int, *, check: bool) -> None:
    console = standard_output()
    for file in changed:
        console.print(labelled("would change" if check else "formatted", str(file)))
    verb = "would change" if check else "formatted"
    summary = f"{counted(len(changed), 'file')} {verb}, {counted(unchanged, 'file')} unchanged"
    console.print(Text(summary, "bold red" if check and changed else "bold green"))
