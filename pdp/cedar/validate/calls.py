"""The types of extension functions and methods (`Cedar/Validation/Typechecker.lean`: typeOfCall).

The functions and what they take are the table of `ext`. One that makes a value of a string is called with a literal
only, which is tried now: so it cannot fail later.
"""

from collections.abc import Sequence
from typing import Final

from pdp.cedar import ext
from pdp.cedar.errors import EvaluationError
from pdp.cedar.nodes import Expr, Literal
from pdp.cedar.schema.hints import guess, listed
from pdp.cedar.schema.types import ExtensionType, PrimitiveType
from pdp.cedar.validate.findings import Code, Fault
from pdp.cedar.validate.types import StaticType, describe
from pdp.cedar.values import brief

_NAMED: Final[dict[str, StaticType]] = {
    "bool": PrimitiveType.BOOL,
    "long": PrimitiveType.LONG,
    "string": PrimitiveType.STRING,
    **{type.value: type for type in ExtensionType},
}
_NOT_LITERAL: Final = "write the text itself in quotes; a value of data is declared as `{}` in the schema"


def call(name: str, arguments: Sequence[Expr], types: Sequence[StaticType]) -> StaticType | Fault:
    """`name(arguments)`, or `x.name(...)` with the receiver first, given their types."""
    function = ext.FUNCTIONS.get(name)
    if function is None:
        help = guess(name, ext.FUNCTIONS) or listed("the functions are", ext.FUNCTIONS)
        return Fault(Code.UNKNOWN_FUNCTION, f"there is no function {brief(name)}", help)
    wanted = [_NAMED[parameter] for parameter in function.parameters]
    if len(types) != len(wanted):
        return Fault(
            Code.ARITY, f"`{name}` is called with {len(types)} arguments and takes {len(wanted)}", _form(function)
        )
    for index, (type, parameter) in enumerate(zip(types, wanted, strict=True)):
        if type is not parameter:
            message = f"expected {describe(parameter)}, found {describe(type)}"
            return Fault(Code.TYPE, message, _form(function), index)
    is_constructor = wanted == [PrimitiveType.STRING]
    return _construct(function, arguments[0]) if is_constructor else _NAMED[function.result]


def _construct(function: ext.ExtensionFunction, argument: Expr) -> StaticType | Fault:
    if not isinstance(argument, Literal):
        message = f"`{function.name}` takes a string literal only, so that it can be checked now"
        return Fault(Code.NOT_LITERAL, message, _NOT_LITERAL.format(function.result), 0)
    try:
        function.apply(argument.value)
    except EvaluationError as error:
        return Fault(Code.BAD_LITERAL, error.message, "it is tried now, so that no request can fail by it", 0)
    return _NAMED[function.result]


def _form(function: ext.ExtensionFunction) -> str:
    """How a function is written."""
    parameters = function.parameters
    if function.style is ext.Style.METHOD:
        return f"it is written `{parameters[0]}.{function.name}({', '.join(parameters[1:])})`"
    return f"it is written `{function.name}({', '.join(parameters)})`"
