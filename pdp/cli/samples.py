"""The questions that `pdp serve` suggests: an allow and a deny of the bundle's own cases, asked before being shown."""

import json
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from rich.text import Text

from pdp.cedar.errors import CedarError
from pdp.cedar.wire.values import write_value
from pdp.cli import options
from pdp.cli.output import plain
from pdp.config import Config
from pdp.engine.decider import CheckRequest, Decider, ReasonClass, Verdict
from pdp.engine.rehearsal import Rehearsal
from pdp.engine.snapshot import World
from pdp.inventory.routes import RouteTable
from pdp.policies.cases import Case, CedarQuestion, load_cases

_SHOWN: tuple[ReasonClass, ...] = (ReasonClass.ALLOWED, ReasonClass.FORBIDDEN)


class Sample(NamedTuple):
    """A question and what the running decision point answers to it."""

    request: CheckRequest
    verdict: Verdict


def sample_lines(config: Config, world: World, decider: Decider, address: str) -> list[Text]:
    """What to print about them; nothing where the bundle has no cases or entities cannot be named."""
    directory = config.policies.directory / "tests"
    if not config.identity.accept_asserted or not directory.is_dir():
        return []
    rehearsal = Rehearsal(world, config.freshness, RouteTable())
    try:
        samples = list(find_samples(load_cases(directory), rehearsal, decider))
    except CedarError as error:
        return [Text(f"no questions to try: {line}") for line in map(plain, error.render().split("\n"))]
    lines = [Text("Questions to ask it from another terminal:")] if samples else []
    for request, verdict in samples:
        lines.append(Text(f"# {verdict.decision.value}: {plain(verdict.message)}", "dim"))
        lines.append(Text(command_line(request, address), "bold"))
    return lines


def find_samples(cases: Iterable[Case], rehearsal: Rehearsal, decider: Decider) -> Iterator[Sample]:
    """The first case that is allowed and the first that is forbidden, as expected and now. Raises CedarError.

    Cases that need a credential are left out: a credential cannot be printed.
    """
    askable = [case for case in cases if case.auth is None and isinstance(case.question, CedarQuestion)]
    for reason in _SHOWN:
        for case in askable:
            if case.expect.reason == reason.value:
                request = rehearsal.question(case)
                verdict = decider.decide(request)
                if verdict.reason is reason:
                    yield Sample(request, verdict)
                    break


def command_line(request: CheckRequest, address: str) -> str:
    """The `pdp check` that asks this of the decision point at `address`, quoted for a shell."""
    where = [] if address == options.ADDRESS else ["--address", address]
    words = [_program(), "check", *where, "--principal", str(request.subject.uid)]
    if request.device is not None:
        words += ["--device", str(request.device)]
    words += ["--action", str(request.action), "--resource", str(request.resource)]
    if request.context.fields:
        words += ["--context", json.dumps(write_value(request.context), ensure_ascii=False)]
    return shlex.join(words)


def _program() -> str:
    """What to call the program: its bare name if a shell finds it by that, else as it was called."""
    called = Path(sys.argv[0])
    found = shutil.which("pdp")
    if found is not None and called.exists() and Path(found).samefile(called):
        return "pdp"
    return str(called) if called.name == "pdp" else "pdp"
