"""What schemathesis cannot know of this service.

JSON Schema says what one member may be. It does not say what is stored or configured (cursors, secrets, names that are
taken, versions), nor every rule between members. A request that the document allows may be refused for these reasons
and for no others: the tables name, per operation, the members and the codes of the faults. A refusal with one fault
that is not in them stays a failure.
"""

import ast
import gc
import json
import os
import re
import threading

import schemathesis

# CPython before 3.11.8 and 3.12.2 fails where the garbage collector lets one parse into another (gh-106905), and
# hypothesis parses sources to describe its strategies.
_parse = ast.parse
_parsing = threading.RLock()


def parse_alone(*arguments, **named):
    with _parsing:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return _parse(*arguments, **named)
        finally:
            if collecting:
                gc.enable()


ast.parse = parse_alone

LIST = [
    # The seal of a cursor binds it to its list and its filters.
    (r"/cursor", {"invalid-value"}),
    # Times are those of the years 1970 to 9999, and `date-time` has no bounds.
    (r"/from|/to", {"invalid-value"}),
]

CONFIGURATION = [
    # SE-S-4: text that looks like a credential.
    (r"/.*", {"raw-secret-detected"}),
    # RFC 3986 allows more than a base URL may have, and the deployment decides on destinations.
    (r"/endpointBaseUrl|/authenticationSettings/tokenUrl", {"invalid-value", "out-of-range", "destination-blocked"}),
    # Whether it is needed depends on `authenticationType`; whether it is there, on the secret store. Two dots or two
    # slashes in a row are none of its name.
    (
        r"/authenticationSecretRef",
        {"required", "not-allowed", "secret-not-found", "secret-store-unknown", "invalid-value"},
    ),
    # Which settings there are depends on `authenticationType`; a list of names is no pattern.
    (r"/authenticationSettings(/\w+)?", {"required", "not-allowed", "unknown-member", "forbidden-header"}),
    (r"/idempotencyKeyHeader", {"not-allowed", "forbidden-header"}),
    # Not above `maxRetryDelaySeconds`, and in steps of 0.001, which no binary fraction is a multiple of.
    (r"/retryDelaySeconds", {"out-of-range"}),
    # JSONPath is no regular language; a name that is none has 200 characters at most.
    (
        r"/mappingConfiguration/(recordsPath|externalIdPath|mappings/\d+/externalField)",
        {"invalid-value", "out-of-range"},
    ),
    (r"/mappingConfiguration/mappings/\d+/internalField", {"duplicate"}),
    # What these may be depends on `transform`.
    (
        r"/mappingConfiguration/mappings/\d+/transformParams(/.*)?",
        {"required", "not-allowed", "unknown-member", "type", "out-of-range", "invalid-value"},
    ),
    (r"/mappingConfiguration/mappings/\d+/defaultValue", {"type"}),
]

CALL = [
    # What the connector is able to do.
    (r"/operationType", {"capability-not-supported"}),
    # Where a path leads after it is decoded, once or several times.
    (r"/endpoint", {"endpoint-outside-base-url", "invalid-value"}),
    # Names that the service or the connector sets, and names that differ in letter case alone.
    (r"/headers/.*", {"forbidden-header", "duplicate"}),
    (r"/query/.*", {"not-allowed"}),
    # GET and HEAD have none, and the method may be the one of `operationType`.
    (r"/body", {"not-allowed"}),
]

KEY = [
    (r"/name|/reason", {"raw-secret-detected"}),
    # Needed for the role `service` alone, each of them once, and of those that there are.
    (r"/connectors(/\d+)?", {"required", "not-allowed", "invalid-value", "duplicate"}),
    # In the future.
    (r"/expiresAt", {"invalid-value", "out-of-range"}),
]

FAULTS = {
    "listConnectors": LIST,
    "listAudit": LIST,
    "listConnectorAudit": LIST,
    "exportAudit": LIST,
    "listLogs": LIST,
    "listConnectorLogs": LIST,
    "listLogsByCorrelation": LIST,
    "listKeys": LIST,
    "createKey": KEY,
    "revokeKey": [(r"/reason", {"raw-secret-detected"})],
    "createConnector": CONFIGURATION,
    "testConnectorDraft": CONFIGURATION,
    # A connector keeps its type.
    "updateConnector": [*CONFIGURATION, (r"/connectorType", {"immutable"})],
    "enableConnector": [(r"/reason", {"raw-secret-detected"})],
    "disableConnector": [(r"/reason", {"raw-secret-detected"})],
    "executeCall": CALL,
}

PROBLEMS = {
    # What an earlier request with the same key was.
    "createConnector": {"idempotency-key-reused"},
    "createKey": {"idempotency-key-reused"},
    "executeCall": {"idempotency-key-reused"},
    # Which version is current.
    "updateConnector": {"precondition-failed"},
    "deleteConnector": {"precondition-failed"},
}


def operation_id(case):
    return case.operation.definition.raw["operationId"]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether it is a failure."""
    if failure.code != "ST202":
        return True
    try:
        problem = json.loads(response.content)
    except ValueError:
        return True
    operation = operation_id(case)
    faults = problem.get("errors")
    if not faults:
        return problem["code"] not in PROBLEMS.get(operation, ())
    allowed = FAULTS.get(operation, [])
    return not all(
        any(re.fullmatch(pointer, fault["pointer"], re.DOTALL) and fault["code"] in codes for pointer, codes in allowed)
        for fault in faults
    )


@schemathesis.hook
def map_case(context, case):
    """Leads every other connector to an upstream that answers, with a secret that is there."""
    body = case.body
    if (
        operation_id(case) not in ("createConnector", "updateConnector", "testConnectorDraft")
        or not case.meta.generation.mode.is_positive
        or not isinstance(body, dict)
        or len(str(body.get("name"))) % 2
    ):
        return case
    upstream = os.environ["SCHEMATHESIS_UPSTREAM"]
    kind = body.get("authenticationType")
    secret = None if kind == "None" else "SecretStore:HR-ApiKey"
    settings = {"tokenUrl": f"{upstream}/token", "clientId": "reader"} if kind == "OAuth2" else {}
    case.body = {
        **body,
        "endpointBaseUrl": upstream,
        "authenticationSecretRef": secret,
        "authenticationSettings": settings,
    }
    return case


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keeps the fuzzer from revoking its own key."""
    own = os.environ["SCHEMATHESIS_KEY_ID"]
    if operation_id(case) == "revokeKey" and str(case.path_parameters.get("keyId")).lower() == own:
        case.path_parameters["keyId"] = "01979a2b-7c00-7000-8000-000000000000"
