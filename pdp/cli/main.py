"""`pdp`, the command line's entry point: the list of verbs, and what becomes of an error."""

import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pdp import __version__
from pdp.cedar.errors import CedarError
from pdp.cli import exits
from pdp.cli.build import build
from pdp.cli.check import check
from pdp.cli.conformance import conformance
from pdp.cli.context import context
from pdp.cli.eval import evaluate
from pdp.cli.fmt import fmt
from pdp.cli.grants import grant, revoke
from pdp.cli.output import print_error, standard_output
from pdp.cli.partial import partial
from pdp.cli.serve import serve
from pdp.cli.test import run_cases
from pdp.cli.translate import translate
from pdp.cli.validate import validate


class Verbs(TyperGroup):
    """The verbs. Input that one of them refuses is told in one message on standard error."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except CedarError as error:
            print_error(error)
            raise typer.Exit(exits.FAULT) from error


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    # An exception of another kind is a defect: Python's own traceback shows where, and no local variable.
    pretty_exceptions_enable=False,
    help="A policy decision point for zero trust: Cedar policies, fresh facts, explained answers.",
)
app.command(epilog=exits.SERVE_EPILOG)(serve)
app.command(epilog=exits.DECISION_EPILOG)(check)
app.command()(grant)
app.command()(revoke)
app.add_typer(context, name="context")
app.command("eval", epilog=exits.DECISION_EPILOG)(evaluate)
app.command(epilog=exits.PARTIAL_EPILOG)(partial)
app.command("test", epilog=exits.TEST_EPILOG)(run_cases)
app.command(epilog=exits.VALIDATE_EPILOG)(validate)
app.command(epilog=exits.FMT_EPILOG)(fmt)
app.command(epilog=exits.TRANSLATE_EPILOG)(translate)
app.command(epilog=exits.BUILD_EPILOG)(build)
app.command(epilog=exits.CONFORMANCE_EPILOG)(conformance)


def _version(wanted: bool) -> None:
    if wanted:
        standard_output().print(f"pdp {__version__}")
        raise typer.Exit(exits.OK)


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A policy decision point for zero trust: Cedar policies, fresh facts, explained answers."""


def main() -> None:
    """Run the command line. A defect ends with exits.FAULT: Python's own 1 would read as a deny."""
    try:
        app()
    except Exception:  # the last line of defence
        traceback.print_exc()
        raise SystemExit(exits.FAULT) from None
