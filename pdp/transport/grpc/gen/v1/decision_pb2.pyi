import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_ERROR: _ClassVar[Outcome]
    OUTCOME_SATISFIED: _ClassVar[Outcome]
    OUTCOME_NEAR_MISS: _ClassVar[Outcome]
    OUTCOME_NOT_IN_FORCE: _ClassVar[Outcome]
    OUTCOME_NOT_SATISFIED: _ClassVar[Outcome]
    OUTCOME_OUT_OF_SCOPE: _ClassVar[Outcome]

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_ALLOW: _ClassVar[Decision]
    DECISION_DENY: _ClassVar[Decision]

class Effect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_UNSPECIFIED: _ClassVar[Effect]
    EFFECT_PERMIT: _ClassVar[Effect]
    EFFECT_FORBID: _ClassVar[Effect]
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_ERROR: Outcome
OUTCOME_SATISFIED: Outcome
OUTCOME_NEAR_MISS: Outcome
OUTCOME_NOT_IN_FORCE: Outcome
OUTCOME_NOT_SATISFIED: Outcome
OUTCOME_OUT_OF_SCOPE: Outcome
DECISION_UNSPECIFIED: Decision
DECISION_ALLOW: Decision
DECISION_DENY: Decision
EFFECT_UNSPECIFIED: Effect
EFFECT_PERMIT: Effect
EFFECT_FORBID: Effect

class CheckRequest(_message.Message):
    __slots__ = ("token", "principal", "action", "resource", "context", "device", "min_revision", "request_id", "client")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    MIN_REVISION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    token: str
    principal: EntityUid
    action: EntityUid
    resource: EntityUid
    context: Record
    device: EntityUid
    min_revision: int
    request_id: str
    client: ClientRequest
    def __init__(self, token: _Optional[str] = ..., principal: _Optional[_Union[EntityUid, _Mapping]] = ..., action: _Optional[_Union[EntityUid, _Mapping]] = ..., resource: _Optional[_Union[EntityUid, _Mapping]] = ..., context: _Optional[_Union[Record, _Mapping]] = ..., device: _Optional[_Union[EntityUid, _Mapping]] = ..., min_revision: _Optional[int] = ..., request_id: _Optional[str] = ..., client: _Optional[_Union[ClientRequest, _Mapping]] = ...) -> None: ...

class ClientRequest(_message.Message):
    __slots__ = ("scheme", "proofs", "method", "url", "certificate", "chain")
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    scheme: str
    proofs: _containers.RepeatedScalarFieldContainer[str]
    method: str
    url: str
    certificate: bytes
    chain: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, scheme: _Optional[str] = ..., proofs: _Optional[_Iterable[str]] = ..., method: _Optional[str] = ..., url: _Optional[str] = ..., certificate: _Optional[bytes] = ..., chain: _Optional[_Iterable[bytes]] = ...) -> None: ...

class CheckBatchRequest(_message.Message):
    __slots__ = ("defaults", "items")
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    defaults: CheckRequest
    items: _containers.RepeatedCompositeFieldContainer[CheckRequest]
    def __init__(self, defaults: _Optional[_Union[CheckRequest, _Mapping]] = ..., items: _Optional[_Iterable[_Union[CheckRequest, _Mapping]]] = ...) -> None: ...

class CheckBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[CheckResponse]
    def __init__(self, results: _Optional[_Iterable[_Union[CheckResponse, _Mapping]]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("entities", "after")
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    entities: _containers.RepeatedCompositeFieldContainer[EntityUid]
    after: str
    def __init__(self, entities: _Optional[_Iterable[_Union[EntityUid, _Mapping]]] = ..., after: _Optional[str] = ...) -> None: ...

class WatchEvent(_message.Message):
    __slots__ = ("place", "policy_revision", "context_revision", "everything", "entities")
    PLACE_FIELD_NUMBER: _ClassVar[int]
    POLICY_REVISION_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_REVISION_FIELD_NUMBER: _ClassVar[int]
    EVERYTHING_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    place: str
    policy_revision: str
    context_revision: int
    everything: bool
    entities: _containers.RepeatedCompositeFieldContainer[EntityUid]
    def __init__(self, place: _Optional[str] = ..., policy_revision: _Optional[str] = ..., context_revision: _Optional[int] = ..., everything: bool = ..., entities: _Optional[_Iterable[_Union[EntityUid, _Mapping]]] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("decision", "reason_class", "message", "policies", "errors", "obligations", "policy_revision", "context_revision", "valid_until", "request_id", "challenge", "dpop_nonce")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_CLASS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    OBLIGATIONS_FIELD_NUMBER: _ClassVar[int]
    POLICY_REVISION_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_REVISION_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    DPOP_NONCE_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    reason_class: str
    message: str
    policies: _containers.RepeatedCompositeFieldContainer[DeterminingPolicy]
    errors: _containers.RepeatedCompositeFieldContainer[PolicyError]
    obligations: _containers.RepeatedCompositeFieldContainer[Obligation]
    policy_revision: str
    context_revision: int
    valid_until: _timestamp_pb2.Timestamp
    request_id: str
    challenge: str
    dpop_nonce: str
    def __init__(self, decision: _Optional[_Union[Decision, str]] = ..., reason_class: _Optional[str] = ..., message: _Optional[str] = ..., policies: _Optional[_Iterable[_Union[DeterminingPolicy, _Mapping]]] = ..., errors: _Optional[_Iterable[_Union[PolicyError, _Mapping]]] = ..., obligations: _Optional[_Iterable[_Union[Obligation, _Mapping]]] = ..., policy_revision: _Optional[str] = ..., context_revision: _Optional[int] = ..., valid_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ..., challenge: _Optional[str] = ..., dpop_nonce: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("answer", "policies", "policies_left_out", "principal", "context")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    POLICIES_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    answer: CheckResponse
    policies: _containers.RepeatedCompositeFieldContainer[PolicyExplanation]
    policies_left_out: int
    principal: EntityUid
    context: Record
    def __init__(self, answer: _Optional[_Union[CheckResponse, _Mapping]] = ..., policies: _Optional[_Iterable[_Union[PolicyExplanation, _Mapping]]] = ..., policies_left_out: _Optional[int] = ..., principal: _Optional[_Union[EntityUid, _Mapping]] = ..., context: _Optional[_Union[Record, _Mapping]] = ...) -> None: ...

class PolicyExplanation(_message.Message):
    __slots__ = ("id", "effect", "outcome", "determining", "place", "part", "outside", "error", "grant_status")
    ID_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DETERMINING_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    GRANT_STATUS_FIELD_NUMBER: _ClassVar[int]
    id: str
    effect: Effect
    outcome: Outcome
    determining: bool
    place: Place
    part: Part
    outside: str
    error: PolicyError
    grant_status: str
    def __init__(self, id: _Optional[str] = ..., effect: _Optional[_Union[Effect, str]] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., determining: bool = ..., place: _Optional[_Union[Place, _Mapping]] = ..., part: _Optional[_Union[Part, _Mapping]] = ..., outside: _Optional[str] = ..., error: _Optional[_Union[PolicyError, _Mapping]] = ..., grant_status: _Optional[str] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("condition", "text", "place", "value")
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    condition: str
    text: str
    place: Place
    value: bool
    def __init__(self, condition: _Optional[str] = ..., text: _Optional[str] = ..., place: _Optional[_Union[Place, _Mapping]] = ..., value: bool = ...) -> None: ...

class Place(_message.Message):
    __slots__ = ("file", "line", "column")
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    file: str
    line: int
    column: int
    def __init__(self, file: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ...) -> None: ...

class DeterminingPolicy(_message.Message):
    __slots__ = ("id", "effect", "annotations")
    class AnnotationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    id: str
    effect: Effect
    annotations: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., effect: _Optional[_Union[Effect, str]] = ..., annotations: _Optional[_Mapping[str, str]] = ...) -> None: ...

class PolicyError(_message.Message):
    __slots__ = ("policy_id", "kind", "message")
    POLICY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    policy_id: str
    kind: str
    message: str
    def __init__(self, policy_id: _Optional[str] = ..., kind: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Obligation(_message.Message):
    __slots__ = ("kind", "argument", "policy_id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ARGUMENT_FIELD_NUMBER: _ClassVar[int]
    POLICY_ID_FIELD_NUMBER: _ClassVar[int]
    kind: str
    argument: str
    policy_id: str
    def __init__(self, kind: _Optional[str] = ..., argument: _Optional[str] = ..., policy_id: _Optional[str] = ...) -> None: ...

class EntityUid(_message.Message):
    __slots__ = ("type", "id")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    type: str
    id: str
    def __init__(self, type: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("bool_value", "long_value", "string_value", "entity_value", "set_value", "record_value", "extension_value")
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    LONG_VALUE_FIELD_NUMBER: _ClassVar[int]
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    ENTITY_VALUE_FIELD_NUMBER: _ClassVar[int]
    SET_VALUE_FIELD_NUMBER: _ClassVar[int]
    RECORD_VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTENSION_VALUE_FIELD_NUMBER: _ClassVar[int]
    bool_value: bool
    long_value: int
    string_value: str
    entity_value: EntityUid
    set_value: Set
    record_value: Record
    extension_value: Extension
    def __init__(self, bool_value: bool = ..., long_value: _Optional[int] = ..., string_value: _Optional[str] = ..., entity_value: _Optional[_Union[EntityUid, _Mapping]] = ..., set_value: _Optional[_Union[Set, _Mapping]] = ..., record_value: _Optional[_Union[Record, _Mapping]] = ..., extension_value: _Optional[_Union[Extension, _Mapping]] = ...) -> None: ...

class Set(_message.Message):
    __slots__ = ("elements",)
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    elements: _containers.RepeatedCompositeFieldContainer[Value]
    def __init__(self, elements: _Optional[_Iterable[_Union[Value, _Mapping]]] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("fields",)
    class FieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.MessageMap[str, Value]
    def __init__(self, fields: _Optional[_Mapping[str, Value]] = ...) -> None: ...

class Extension(_message.Message):
    __slots__ = ("function", "argument")
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    ARGUMENT_FIELD_NUMBER: _ClassVar[int]
    function: str
    argument: str
    def __init__(self, function: _Optional[str] = ..., argument: _Optional[str] = ...) -> None: ...
