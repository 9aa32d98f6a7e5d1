"""`pdp translate`: policies and schemas from text to JSON and back."""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated, Final

import typer

from pdp.cedar.errors import PrintError
from pdp.cedar.schema.json_form import parse_json_fragment
from pdp.cedar.schema.json_writer import write_json_schema
from pdp.cedar.schema.printer import print_schema
from pdp.cedar.schema.text import parse_fragment
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policy_set as parse_text_policies
from pdp.cedar.text.printer import print_policies
from pdp.cedar.wire.policies import parse_policy_set as parse_json_policies
from pdp.cedar.wire.policies import write_policy_set
from pdp.cedar.wire.strict_json import Json
from pdp.cli.files import read_input, write_file, write_out
from pdp.cli.options import OptionError
from pdp.cli.output import standard_error


@unique
class Form(StrEnum):
    """How something is written."""

    TEXT = "text"
    JSON = "json"


@unique
class Kind(StrEnum):
    """What is written."""

    POLICIES = "policies"
    SCHEMA = "schema"


_SUFFIXES: Final[Mapping[str, tuple[Kind | None, Form]]] = {
    ".cedarschema.json": (Kind.SCHEMA, Form.JSON),
    ".cedarschema": (Kind.SCHEMA, Form.TEXT),
    ".cedar.json": (Kind.POLICIES, Form.JSON),
    ".cedar": (Kind.POLICIES, Form.TEXT),
    ".json": (None, Form.JSON),
}
"""What the end of a file's name says; the first that fits counts."""


def translate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file, or [bold]-[/bold] for standard input.")],
    source_form: Annotated[
        Form | None, typer.Option("--from", help="What FILE is written in, if its name does not say it.")
    ] = None,
    target_form: Annotated[
        Form | None, typer.Option("--to", help="What to write it in.  [dim]\\[default: the other form][/dim]")
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="What it is, if its name does not say it.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file, not to standard output.")
    ] = None,
) -> None:
    """Translate policies or a schema from Cedar's text form to its JSON form, or back, and nothing else about them.

    Names say what a file is: [bold]*.cedar[/bold], [bold]*.cedarschema[/bold], [bold]*.cedar.json[/bold],
    [bold]*.cedarschema.json[/bold]. Comments have no form in JSON; ids of policies and links have none in text.
    """
    by_name = next((said for suffix, said in _SUFFIXES.items() if file.name.endswith(suffix)), (None, None))
    kind, source_form = kind or by_name[0], source_form or by_name[1]
    if kind is None:
        raise OptionError(
            "the name of the file does not say what it is", help="say `--kind policies` or `--kind schema`"
        )
    if source_form is None:
        raise OptionError(
            "the name of the file does not say how it is written", help="say `--from text` or `--from json`"
        )
    if target_form is source_form:
        raise OptionError(f"the file is written in {source_form} as it is", help="there is nothing to translate")
    translated = _TRANSLATIONS[kind, source_form](read_input(file))
    if output is None:
        write_out(translated)
    else:
        write_file(output, translated)


def _policies_to_json(source: Source) -> str:
    return _document(write_policy_set(parse_text_policies(source)))


def _policies_to_text(source: Source) -> str:
    policies = parse_json_policies(source)
    if policies.links:
        help = "remove `templateLinks`, or keep the JSON"
        raise PrintError("the policy set has template links, which text cannot say", source=source, help=help)
    in_order = (*policies.static.values(), *policies.templates.values())
    translated = print_policies(in_order)
    if any(policy.id != f"policy{position}" for position, policy in enumerate(in_order)):
        standard_error().print("the ids of the policies are lost: in text, a policy's id is its position")
    return translated


def _schema_to_json(source: Source) -> str:
    return _document(write_json_schema(parse_fragment(source)))


def _schema_to_text(source: Source) -> str:
    return print_schema(parse_json_fragment(source))


def _document(document: Json) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


_TRANSLATIONS: Final[Mapping[tuple[Kind, Form], Callable[[Source], str]]] = {
    (Kind.POLICIES, Form.TEXT): _policies_to_json,
    (Kind.POLICIES, Form.JSON): _policies_to_text,
    (Kind.SCHEMA, Form.TEXT): _schema_to_json,
    (Kind.SCHEMA, Form.JSON): _schema_to_text,
}
"""By what is written, and in what form."""
