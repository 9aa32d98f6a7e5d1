"""Linking: one code object per shape, bound to each policy's constants.

A template is linked once for all its links: what differs between links is in the scope, and scopes are the index's
business. So a link needs neither code nor a function of its own.
"""

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Final, TypeAlias, final

from pdp.cedar.policy import Policy
from pdp.compiler.building import locator
from pdp.compiler.fold import Folded, fold
from pdp.compiler.lower import lower
from pdp.compiler.operations import RUNTIME
from pdp.compiler.terms import Term, Truth

ConditionFunction: TypeAlias = Callable[..., bool]
"""Called with `lower.PARAMETERS`; raises EvaluationError."""

_NO_SOURCE: Final = "<policy>"


@final
class Linker:
    """Turns conditions into functions; keeps the code of every shape it has met."""

    def __init__(self) -> None:
        self._codes: dict[Term, CodeType] = {}
        self._globals: dict[str, object] = dict(RUNTIME)

    @property
    def shapes(self) -> int:
        """How many code objects there are."""
        return len(self._codes)

    def link(self, policy: Policy) -> ConditionFunction | None:
        """The function of a policy's conditions (its scope left out), or None when they always hold.

        Code shared by several policies carries the places of the first; `link_located` gives the policy's own.
        """
        folded = fold(policy.conditions)
        if isinstance(folded.term, Truth) and folded.term.value:
            return None
        code = self._codes.get(folded.term)
        if code is None:
            code = self._codes[folded.term] = _compile(folded, policy)
        return self._bind(code, folded)

    def link_located(self, policy: Policy) -> ConditionFunction:
        """As `link`, with code of the policy's own: a traceback through it shows this policy's file and line."""
        folded = fold(policy.conditions)
        return self._bind(_compile(folded, policy), folded)

    def _bind(self, code: CodeType, folded: Folded) -> ConditionFunction:
        condition: ConditionFunction = FunctionType(code, self._globals)(*folded.constants)
        return condition


def _compile(folded: Folded, policy: Policy) -> CodeType:
    """The code of `bind`, the one function that the lowered module defines."""
    module = lower(folded.term, len(folded.constants), locator(policy.source, policy.span))
    filename = _NO_SOURCE if policy.source is None else policy.source.name
    code = compile(module, filename.replace("\0", "\ufffd"), "exec", dont_inherit=True)
    return next(constant for constant in code.co_consts if isinstance(constant, CodeType))
