"""Linking: one code object per shape, nothing of a policy inside it, and tracebacks that show the Cedar source."""

import subprocess
import sys
import traceback
from collections.abc import Iterator
from operator import attrgetter
from types import CodeType, FunctionType

import pytest

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.policy import Policy
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, Record
from pdp.compiler import link
from pdp.compiler.link import Linker
from pdp.compiler.lower import PARAMETERS
from pdp.compiler.operations import RUNTIME

HOSTILE = "'\\\"\n\0__import__('os')"
HOSTILE_LITERAL = "\"'\\\\\\\"\\n\\0__import__('os')\""


def policies(text: str, name: str = "test.cedar") -> tuple[Policy, ...]:
    return parse_policies(Source(name, text))


def when(*conditions: str) -> tuple[Policy, ...]:
    return policies("\n".join(f"permit(principal, action, resource) when {{ {text} }};" for text in conditions))


def function(linker: Linker, policy: Policy) -> FunctionType:
    linked = linker.link(policy)
    assert isinstance(linked, FunctionType)
    return linked


def codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def test_policies_of_one_shape_share_their_code_and_keep_their_constants() -> None:
    linker = Linker()
    first, second = (function(linker, policy) for policy in when('context.a == "x"', 'context.b == "y"'))
    assert first.__code__ is second.__code__
    assert linker.shapes == 1
    cells = [tuple(cell.cell_contents for cell in linked.__closure__ or ()) for linked in (first, second)]
    assert sorted(cells[0]) == ["a", "x"]
    assert sorted(cells[1]) == ["b", "y"]


def test_a_policy_without_conditions_needs_no_code() -> None:
    linker = Linker()
    (policy,) = policies("permit(principal, action, resource);")
    assert linker.link(policy) is None
    assert linker.shapes == 0


HOSTILE_CONDITIONS = (
    f"context[{HOSTILE_LITERAL}] == {HOSTILE_LITERAL}",
    f"User::{HOSTILE_LITERAL} in principal.a",
    f"context has {HOSTILE_LITERAL}",
    f"{{ {HOSTILE_LITERAL}: context.a }} == context.b",
    f"principal.getTag({HOSTILE_LITERAL}) like {HOSTILE_LITERAL}",
    "context.__class__ == principal.__globals__",
    "principal is __import__::os",
    "context.t0 == context.c0 && context.lookup",
)


@pytest.mark.parametrize("condition", HOSTILE_CONDITIONS)
def test_no_string_of_a_policy_is_in_generated_code(condition: str) -> None:
    linked = function(Linker(), when(condition)[0])
    own = set(PARAMETERS) | set(RUNTIME) | {"fields", "attrs", "keys", "only_entities", "isdisjoint", "type", "id"}
    for code in codes(linked.__code__):
        for name in (*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars):
            assert name in own or (name[:1] in {"t", "c"} and name[1:].isdecimal()), name
        for constant in code.co_consts:
            assert constant is None or isinstance(constant, bool | int | CodeType), constant


def test_generated_code_has_no_builtins() -> None:
    linked = function(Linker(), when("context.a")[0])
    assert attrgetter("__builtins__")(linked) == {}


def test_code_is_the_same_under_every_hash_seed() -> None:
    script = """
import sys
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.compiler import link
from pdp.compiler.link import Linker
def plain(constant):
    return repr(sorted(constant)) if isinstance(constant, frozenset) else repr(constant)
def show(code):
    inner = [show(c) if hasattr(c, "co_code") else repr(c) for c in code.co_consts]
    return (code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars, code.co_linetable.hex(), inner)
linker = Linker()
for policy in parse_policies(Source("p", sys.stdin.read())):
    linked = linker.link(policy)
    print(show(linked.__code__), sorted(plain(c.cell_contents) for c in linked.__closure__ or ()))
"""
    text = "\n".join(
        f"permit(principal, action, resource) when {{ {condition} }};"
        for condition in (
            *HOSTILE_CONDITIONS,
            'principal in [Team::"a", Team::"b", Team::"c"] && ["x", "y", "z"].contains(context.r)',
            "context.n + 1 < 5 || (if context.b then resource.owner == principal else context has a.b.c)",
        )
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            input=text,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "77")
    }
    assert len(outputs) == 1
    assert "resource" in outputs.pop()


TRACED = """// first policy
permit(principal, action, resource)
when { context.n == 1 };

// the same shape, further down
permit(principal, action, resource)
when {
    "\u00fc\u00fc" == "\u00fc\u00fc" &&
    context.n == 2 };
"""


def test_a_traceback_through_a_policy_shows_its_own_file_and_line() -> None:
    class Broken(dict[str, int]):
        def __contains__(self, name: object) -> bool:
            raise ZeroDivisionError

    linker = Linker()
    context = Broken()
    user = EntityUID("User", "a")
    frames = []
    for policy in policies(TRACED, "guardrails/n.cedar"):
        located = linker.link_located(policy)
        with pytest.raises(ZeroDivisionError) as caught:
            located(None, None, user, {}, frozenset(), user, {}, frozenset(), context)
        frames.append(traceback.extract_tb(caught.tb)[-2])
    assert [(frame.filename, frame.lineno) for frame in frames] == [
        ("guardrails/n.cedar", 3),
        ("guardrails/n.cedar", 9),
    ]
    assert frames[1].colno == 4
    assert linker.shapes == 0


def test_a_linked_condition_decides() -> None:
    alice, doc = EntityUID("User", "alice"), EntityUID("Doc", "1")
    store = Entities([Entity(doc, {"owner": alice})])
    linked = function(Linker(), when("resource.owner == principal && context.ok")[0])
    stored = store.lookup(doc)
    assert stored is not None

    def ask(ok: bool) -> object:
        fields = Record({"ok": ok}).fields
        return linked(None, store.lookup, alice, {}, frozenset(), doc, stored.attrs, frozenset(), fields)

    assert ask(True) is True
    assert ask(False) is False


def test_codes_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MOST_CODES", 3)
    linker = Linker()
    shapes = [f"context.a{' && context.a' * number}" for number in range(8)]
    for policy in when(*shapes, *shapes):
        function(linker, policy)
        assert linker.shapes <= 3
