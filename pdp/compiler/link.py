"""Linking: one code object per shape, bound to each policy's constants.

A template is linked once for all its links: what differs between links is in the scope, and scopes are the index's
business. So a link needs neither code nor a function of its own.
"""

import ast
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any, Final, TypeAlias, TypeVar, final

from pdp.cedar.errors import EvaluationError, PolicySetError
from pdp.cedar.policy import Policy
from pdp.compiler.building import locator
from pdp.compiler.fold import Folded, FoldedTogether, fold
from pdp.compiler.fuse import Failed, fuse, note
from pdp.compiler.limits import MAX_TERMS, MOST_CODES
from pdp.compiler.lower import lower
from pdp.compiler.operations import RUNTIME
from pdp.compiler.rules import ConditionFunction
from pdp.compiler.terms import Constant, Term, Truth, size

Shape = TypeVar("Shape")

DecideFunction: TypeAlias = "Callable[..., int | Failed]"
"""Called with `fuse.DECIDE_PARAMETERS`."""

_NO_SOURCE: Final = "<policy>"
_FUSED: Final = "<policies>"


@final
class Linker:
    """Turns conditions into functions; keeps the code of every shape it has met."""

    def __init__(self) -> None:
        self._codes: dict[Term, CodeType] = {}
        self._fused: dict[tuple[Term, ...], CodeType] = {}
        self._globals: dict[str, object] = {
            **RUNTIME,
            "EvaluationError": EvaluationError,
            "Failed": Failed,
            "note": note,
        }

    @property
    def shapes(self) -> int:
        """How many code objects policies share; not counting those of `link_together`."""
        return len(self._codes)

    def link(self, policy: Policy) -> ConditionFunction | None:
        """The function of a policy's conditions (its scope left out), or None when they always hold.

        Code shared by several policies carries the places of the first; `link_located` gives the policy's own.
        """
        unbound = self.compile(policy)
        return None if unbound is None else self.bind(*unbound)

    def compile(self, policy: Policy) -> tuple[CodeType, tuple[Constant, ...]] | None:
        """The code of a policy's conditions and what it is to be bound to, as `link` does; None if they always hold.

        Raises PolicySetError for conditions that are too large.
        """
        folded = fold(policy.conditions)
        if isinstance(folded.term, Truth) and folded.term.value:
            return None
        code = self._codes.get(folded.term)
        if code is None:
            _refuse_large(folded.term, policy)
            code = _keep(self._codes, folded.term, _compile_condition(folded, policy))
        return code, folded.constants

    def link_located(self, policy: Policy) -> ConditionFunction:
        """As `link`, with code of the policy's own: a traceback through it shows this policy's file and line."""
        folded = fold(policy.conditions)
        return self.bind(_compile_condition(folded, policy), folded.constants)

    def link_together(self, folded: FoldedTogether) -> DecideFunction:
        """One function for the conditions of several policies; see `fuse`."""
        code = self._fused.get(folded.terms)
        if code is None:
            code = _keep(self._fused, folded.terms, _compile(fuse(folded.terms, len(folded.constants)), _FUSED))
        return self.bind(code, folded.constants)

    def bind(self, code: CodeType, constants: Iterable[Constant]) -> Callable[..., Any]:
        """The function of some code, given what fills its holes."""
        function: Callable[..., Any] = FunctionType(code, self._globals)(*constants)
        return function


def _keep(codes: dict[Shape, CodeType], shape: Shape, code: CodeType) -> CodeType:
    if len(codes) >= MOST_CODES:
        codes.clear()
    codes[shape] = code
    return code


def _refuse_large(term: Term, policy: Policy) -> None:
    terms = size(term)
    if terms > MAX_TERMS:
        raise PolicySetError(
            f"the conditions of the policy `{policy.id}` are too large: {terms} terms, and {MAX_TERMS} is the limit",
            span=policy.span,
            source=policy.source,
            help="make several policies of it; or name what is compared in one set, which is one term",
        )


def _compile_condition(folded: Folded, policy: Policy) -> CodeType:
    module = lower(folded.term, len(folded.constants), locator(policy.source, policy.span))
    filename = _NO_SOURCE if policy.source is None else policy.source.name
    return _compile(module, filename.replace("\0", "\ufffd"))


def _compile(module: ast.Module, filename: str) -> CodeType:
    """The code of `bind`, the one function that a lowered module defines."""
    code = compile(module, filename, "exec", dont_inherit=True)
    return next(constant for constant in code.co_consts if isinstance(constant, CodeType))
