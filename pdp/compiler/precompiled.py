"""What compiling a policy comes to, before it is part of a rulebook: code, and what the code is to be bound to.

All of it can be written down and read again by another process (`pdp.policies.built`): so the work of folding, lowering
and compiling is done once, and not by the process that answers questions.
"""

from dataclasses import dataclass
from types import CodeType
from typing import final

from pdp.cedar.policy import ActionScope, Policy, Slot
from pdp.compiler.bounds import Bounds, bounds
from pdp.compiler.lift import lift
from pdp.compiler.link import Linker
from pdp.compiler.terms import Constant


@final
@dataclass(frozen=True, slots=True)
class Precompiled:
    """A policy, and what it was compiled to.

    `compiled` is `policy` itself, or the same with conditions lifted into its scope (`lift`); `action`, `principal` and
    `resource` are its scope. `code` is None if its conditions always hold.
    """

    policy: Policy
    compiled: Policy
    action: ActionScope
    principal: Bounds
    resource: Bounds
    code: CodeType | None
    constants: tuple[Constant, ...]

    @property
    def is_template(self) -> bool:
        """Whether there is a hole to fill."""
        return isinstance(self.principal.entity, Slot) or isinstance(self.resource.entity, Slot)


def precompile(policy: Policy, linker: Linker) -> Precompiled:
    """Compile a static policy or a template, with code that `linker` keeps for its shape.

    Raises PolicySetError for conditions that are too large; nothing else fails here.
    """
    compiled = lift(policy)
    code, constants = linker.compile(compiled) or (None, ())
    sides = bounds(compiled.principal), bounds(compiled.resource)
    return Precompiled(policy, compiled, compiled.action, *sides, code, constants)
