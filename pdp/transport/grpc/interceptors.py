"""What stands around every RPC, the standard ones included."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Final, TypeAlias, final

import grpc

from pdp.transport.door import Report

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_KINDS: Final = (
    ("unary_unary", grpc.unary_unary_rpc_method_handler),
    ("unary_stream", grpc.unary_stream_rpc_method_handler),
    ("stream_unary", grpc.stream_unary_rpc_method_handler),
    ("stream_stream", grpc.stream_stream_rpc_method_handler),
)


@final
class GuardInterceptor(grpc.ServerInterceptor):
    """Turns an exception that nobody foresaw into INTERNAL without its text, which may hold what a caller must not see.

    The doors never get here: they answer with a deny by themselves. What an RPC ends on purpose, with
    `context.abort`, passes.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._guarded: dict[str, Handler] = {}

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """The handler of the method, guarded. None, for UNIMPLEMENTED, when there is no such method."""
        method = handler_call_details.method
        known = self._guarded.get(method)
        if known is not None:
            return known
        handler = continuation(handler_call_details)
        if handler is not None:
            # Only methods that exist are kept: callers choose the names, and must not be able to fill the memory.
            handler = self._guarded[method] = self._guard(method, handler)
        return handler

    def _guard(self, method: str, handler: Handler) -> Handler:
        kind, build = next(pair for pair in _KINDS if getattr(handler, pair[0]) is not None)
        behaviour = getattr(handler, kind)

        @wraps(behaviour)  # grpc reads `experimental_non_blocking` from the function
        def guarded(request: Any, context: grpc.ServicerContext, *more: Any) -> Any:
            try:
                result = behaviour(request, context, *more)
            except Exception as error:
                self._fail(method, context, error)
                raise
            return self._iterate(method, context, result) if hasattr(result, "__next__") else result

        return build(guarded, handler.request_deserializer, handler.response_serializer)

    def _iterate(self, method: str, context: grpc.ServicerContext, responses: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from responses
        except Exception as error:
            self._fail(method, context, error)
            raise

    def _fail(self, method: str, context: Any, error: Exception) -> None:
        """Count, and end the call; returns only if the method or the caller has ended it."""
        # `context.abort` raises a bare Exception once it has set the code; nothing else does both.
        if type(error) is Exception and not error.args and context.code() is not None:
            return
        if isinstance(error, grpc.RpcError) and not context.is_active():
            return  # what reading a stream raises when its caller has gone
        self._report(method, error)
        context.abort(grpc.StatusCode.INTERNAL, "internal error")
