"""`pdp validate`: whether policies fit their schema, with everything that is wrong with them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, final

import typer
from rich.text import Text

from pdp.cedar.errors import CedarError
from pdp.cedar.policy import Policy, PolicySet
from pdp.cedar.schema.json_form import parse_json_schema
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.resolve import resolve
from pdp.cedar.schema.text import parse_fragment_reporting
from pdp.cedar.source import Source, Span
from pdp.cedar.text.policies import parse_policies_reporting
from pdp.cedar.validate.findings import Finding, Severity
from pdp.cedar.validate.validator import Validator
from pdp.cedar.wire.policies import parse_policy_set
from pdp.cedar.wire.strict_json import Json
from pdp.cli import exits, options
from pdp.cli.files import policy_files
from pdp.cli.options import OptionError
from pdp.cli.output import counted, plain, print_error, standard_output
from pdp.documents import read_source
from pdp.engine.callers.judging import builtin_schema, load_caller_policies
from pdp.policies.bundle import SCHEMA, load_bundle

_TEXT: Final = ".cedar"
_JSON: Final = ".cedar.json"


def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help="Policy files, folders with such files ([bold]*.cedar[/bold], [bold]*.cedar.json[/bold]), or one "
            f"bundle, which needs no [bold]--schema[/bold].  [dim]\\[default: {options.CONFIG.parent}][/dim]",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The schema, in Cedar's text form, or in JSON in a file [bold]*.json[/bold]."
        ),
    ] = None,
    callers: Annotated[
        bool,
        typer.Option(
            "--callers",
            help="Take PATH for a folder of policies about callers, as [bold]callers.policies[/bold] names it.",
        ),
    ] = False,
    level: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Allow policies to read that many entities deep and no further."),
    ] = None,
    deny_warnings: Annotated[bool, typer.Option("--deny-warnings", help="Let warnings count as errors.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check policies against a schema, as strictly as a server does, and show everything that is wrong with them.

    Of a bundle, and of policies about callers, their own rules are checked too, once nothing else is wrong.
    """
    checked = _checked_callers(paths, schema, level) if callers else _checked_files(paths, schema, level)
    errors, warnings = checked.count(Severity.ERROR), checked.count(Severity.WARNING)
    passed = not errors and not (deny_warnings and warnings)
    console = standard_output()
    if as_json:
        console.out(json.dumps(_to_json(checked, passed=passed), ensure_ascii=True, indent=2))
    else:
        for problem in checked.problems:
            style = "red" if problem.severity is Severity.ERROR else "yellow"
            for number, line in enumerate(problem.rendered.split("\n")):
                console.print(Text(plain(line), style if number == 0 else ""))
        summary = (
            f"{counted(checked.policies, 'policy', 'policies')} in {counted(checked.files, 'file')}: "
            f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
        )
        console.print(Text(summary, "bold green" if passed else "bold red"))
    raise typer.Exit(exits.OK if passed else exits.DENIED)


@final
@dataclass(frozen=True, slots=True)
class _Problem:
    """A finding of the validator, or an error of whoever reads policies; `rendered` is all of it for people."""

    severity: Severity
    code: str
    message: str
    rendered: str
    policy: str | None
    span: Span | None
    source: Source | None
    help: str | None
    environment: str | None


@final
@dataclass(frozen=True, slots=True)
class _Checked:
    files: int
    policies: int
    problems: tuple[_Problem, ...]

    def count(self, severity: Severity) -> int:
        return sum(problem.severity is severity for problem in self.problems)


def _bundle(paths: Sequence[Path]) -> Path:
    if len(paths) == 1 and (paths[0] / SCHEMA).is_file():
        return paths[0]
    help = f"name it with `--schema`, or give one folder that holds `{SCHEMA}`"
    raise OptionError("there is no schema to check by", help=help)


def _checked_files(paths: Sequence[Path] | None, schema: Path | None, level: int | None) -> _Checked:
    given = paths or [options.CONFIG.parent]
    bundle = None if schema is not None else _bundle(given)
    checked = _check(given, _schema(schema or given[0] / SCHEMA), level)
    return checked if bundle is None else _with_own(checked, load_bundle, bundle)


def _checked_callers(paths: Sequence[Path] | None, schema: Path | None, level: int | None) -> _Checked:
    if schema is not None:
        raise OptionError("`--schema` has no meaning with `--callers`", help="the schema of callers is built in")
    if paths is None or len(paths) != 1:
        raise OptionError("`--callers` is about one folder", help="name it: `pdp validate --callers DIR`")
    return _with_own(_check(paths, builtin_schema(), level), load_caller_policies, paths[0])


def _schema(path: Path) -> Schema:
    source = read_source(path)
    if path.suffix == ".json":
        return parse_json_schema(source)
    fragment, faults = parse_fragment_reporting(source)
    if fragment is None:
        for fault in faults[:-1]:
            print_error(fault)
        raise faults[-1]
    return resolve(fragment)


def _check(paths: Sequence[Path], schema: Schema, level: int | None) -> _Checked:
    validator = Validator(schema, level)
    files = policy_files(paths, _TEXT, _JSON)
    policies = 0
    problems: list[_Problem] = []
    for file in files:
        source = read_source(file)
        read, found = (_check_json if file.suffix == ".json" else _check_text)(source, validator)
        policies += read
        problems += sorted(found, key=lambda problem: problem.span or Span(0, 0))
    return _Checked(len(files), policies, tuple(problems))


def _check_text(source: Source, validator: Validator) -> tuple[int, list[_Problem]]:
    policies, errors = parse_policies_reporting(source)
    problems = [_of_error(error) for error in errors]
    problems += map(_of_finding, validator.findings(PolicySet(_named(policies))))
    return len(policies), problems


def _check_json(source: Source, validator: Validator) -> tuple[int, list[_Problem]]:
    try:
        policies = parse_policy_set(source)
    except CedarError as error:
        return 0, [_of_error(error)]
    return len(policies), list(map(_of_finding, validator.findings(policies)))


def _named(policies: Sequence[Policy]) -> Sequence[Policy]:
    """The policies with the ids that they give themselves, unless two are the same: positions are hard to find."""
    ids = [policy.annotations.get("id") or policy.id for policy in policies]
    if len(set(ids)) < len(ids):
        return policies
    return [replace(policy, id=id) for policy, id in zip(policies, ids, strict=True)]


def _with_own(checked: _Checked, load: Callable[[Path], object], directory: Path) -> _Checked:
    """With what is wrong by the rules of whoever loads the folder, if nothing else is."""
    if checked.count(Severity.ERROR):
        return checked
    try:
        load(directory)
    except CedarError as error:
        return replace(checked, problems=(*checked.problems, _of_error(error)))
    return checked


def _of_finding(finding: Finding) -> _Problem:
    return _Problem(
        finding.severity,
        finding.code.value,
        finding.message,
        finding.render(),
        finding.policy_id,
        finding.span,
        finding.source,
        finding.help,
        None if finding.environment is None else str(finding.environment),
    )


def _of_error(error: CedarError) -> _Problem:
    words = f"{Severity.ERROR.value}[{error.code}]: {error.message}"
    rendered = CedarError(words, span=error.span, source=error.source, help=error.help).render()
    return _Problem(
        Severity.ERROR, error.code, error.message, rendered, None, error.span, error.source, error.help, None
    )


def _to_json(checked: _Checked, *, passed: bool) -> dict[str, Json]:
    return {
        "passed": passed,
        "files": checked.files,
        "policies": checked.policies,
        "errors": checked.count(Severity.ERROR),
        "warnings": checked.count(Severity.WARNING),
        "findings": [_problem_json(problem) for problem in checked.problems],
    }


def _problem_json(problem: _Problem) -> dict[str, Json]:
    start = end = None
    if problem.source is not None and problem.span is not None:
        start, end = map(problem.source.position, problem.span)
    return {
        "severity": problem.severity.value,
        "code": problem.code,
        "message": problem.message,
        "policy": problem.policy,
        "file": None if problem.source is None else problem.source.name,
        "line": start and start.line,
        "column": start and start.column,
        "end_line": end and end.line,
        "end_column": end and end.column,
        "help": problem.help,
        "found_for": problem.environment,
    }
