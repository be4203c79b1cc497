"""The policies of an application: what is in them, and what a linter says."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from aiowfm import Engine
from aiowfm.definitions import CALLBACK_RESOURCE
from aiowfm.iam import Place, Policies, policies_for
from aiowfm.iam.machine_role import MAX_TRUST_LENGTH
from aiowfm.iam.policies import MAX_POLICY_LENGTH
from tests.iam.evaluation import Need, is_allowed

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)  # it leaves its own files open
    import parliament

ROLE_ARN = "arn:aws:iam::123456789012:role/workflows"
PLACE = Place(partition="aws", region="eu-central-1", account_id="123456789012", role_arn=ROLE_ARN)
STATES = "arn:aws:states:eu-central-1:123456789012"
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:prod--shop-callbacks"
PROVISIONS = ("create", "check", "none")


def task(resource: str, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "End": True, **fields}


def flow(name: str = "order", version: int = 0, **states: Any) -> dict[str, Any]:
    machine = {"StartAt": next(iter(states)), "States": states}
    return {"name": name, "version": version, "stateMachine": machine}


def callback(**parameters: Any) -> dict[str, Any]:
    body = {"MessageBody": {"TaskKey.$": "$.id"}}
    return task(CALLBACK_RESOURCE, TimeoutSeconds=60, Parameters=body | parameters)


def distributed(**fields: Any) -> dict[str, Any]:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "item",
        "States": {"item": task("charge")},
    }
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **fields}


def nested(pattern: str = "", **parameters: Any) -> dict[str, Any]:
    return task(f"arn:aws:states:::states:startExecution{pattern}", Parameters=parameters)


def policies(*definitions: Mapping[str, Any], provision: Any = "create") -> Policies:
    engine = Engine(app="shop", environment="prod", definitions=json.dumps(definitions))
    engine.task("charge")(lambda: None)
    return policies_for(
        PLACE,
        config=engine.config,
        definitions=engine.definitions,
        handled=engine.tasks,
        provision=provision,
    )


def of_machines(state: dict[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The policy of the role of state machines, and the notes."""
    made = policies(flow(s0=state))
    return made.documents["state-machine"], made.notes


READER = {
    "ItemReader": {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON"},
        "Parameters": {"Bucket": "orders", "Key": "all.json"},
    }
}
WRITER = {
    "ResultWriter": {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "results", "Prefix": "orders"},
    }
}
LISTER = {
    "ItemReader": {
        "Resource": "arn:aws:states:::s3:listObjectsV2",
        "Parameters": {"Bucket": "orders"},
    }
}
EXAMPLES = {
    "activities": [flow(work=task("charge"))],
    "versions": [flow(version=-1, work=task("charge"))],
    "callbacks": [flow(wait=callback()), flow("other", -1, work=task("charge"))],
    "a queue of one's own": [
        flow(wait=callback(QueueUrl="https://sqs.eu-west-1.amazonaws.com/210987654321/mine"))
    ],
    "any queue": [flow(wait=callback(**{"QueueUrl.$": "$.queue"}))],
    "distributed": [flow(each=distributed())],
    "from bucket to bucket": [flow(each=distributed(**READER, **WRITER))],
    "nested": [flow(other=nested(".sync:2", StateMachineArn=f"{STATES}:stateMachine:other"))],
    "anything nested": [flow(other=nested(".sync", **{"StateMachineArn.$": "$.machine"}))],
    "nothing": [],
    "many": [flow(f"order-{number}", -1, work=task(f"task-{number}")) for number in range(60)],
}


# Each call names one of two kinds of resource, and the linter wants both in the policy. No Map
# runs are listed here, and no executions of type EXPRESS described.
NOT_NEEDED = [
    {"action": "states:ListExecutions", "required_format": "arn:*:states:*:*:mapRun:*/*:*"},
    {"action": "states:DescribeExecution", "required_format": "arn:*:states:*:*:express:*:*:*"},
]


def findings(document: Mapping[str, Any]) -> list[str]:
    analyzed = parliament.analyze_policy_string(json.dumps(document))
    return [
        f"{each.issue}: {each.detail}"
        for each in analyzed.findings
        if not (each.issue == "RESOURCE_MISMATCH" and each.detail[0] in NOT_NEEDED)
    ]


@pytest.mark.parametrize("provision", PROVISIONS)
@pytest.mark.parametrize("example", EXAMPLES)
def test_a_linter_finds_nothing(example: str, provision: str) -> None:
    for name, document in policies(*EXAMPLES[example], provision=provision).documents.items():
        if name == "state-machine-trust":
            # It is about the role it is attached to, which the linter wants to be told.
            (statement,) = document["Statement"]
            document = {**document, "Statement": [statement | {"Resource": [ROLE_ARN]}]}
        assert (name, findings(document)) == (name, [])


def test_the_linter_would_find_mistakes() -> None:
    made = json.dumps(policies(*EXAMPLES["callbacks"]).documents["worker"])
    for mistake in (
        made.replace("states:StopExecution", "states:EndExecution"),
        made.replace(":execution:", ":activity:"),
        made.replace("iam:PassedToService", "iam:PassedToServices"),
    ):
        assert findings(json.loads(mistake))


def test_step_functions_may_take_the_role_for_state_machines_of_the_application_only() -> None:
    made = policies(flow("order", work=task("charge")), flow("ship", work=task("charge")))
    (statement,) = made.documents["state-machine-trust"]["Statement"]
    assert statement["Principal"] == {"Service": "states.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {
            "aws:SourceArn": [
                f"{STATES}:stateMachine:prod--order--*",
                f"{STATES}:stateMachine:prod--ship--*",
            ]
        },
    }


def test_a_trust_policy_stays_within_its_limit() -> None:
    document = policies(*EXAMPLES["many"]).documents["state-machine-trust"]
    assert len(json.dumps(document, separators=(",", ":"))) < MAX_TRUST_LENGTH
    (statement,) = document["Statement"]
    (pattern,) = statement["Condition"]["ArnLike"]["aws:SourceArn"]
    assert pattern == f"{STATES}:stateMachine:prod--*"


def test_state_machines_that_call_nothing_may_do_nothing() -> None:
    document, notes = of_machines(task("charge"))
    assert document["Statement"] == [{"Effect": "Deny", "Action": "*", "Resource": "*"}]
    assert notes == ()


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        pytest.param(callback(), {Need("sqs:SendMessage", QUEUE)}, id="callback"),
        pytest.param(
            callback(QueueUrl="https://sqs.eu-west-1.amazonaws.com/210987654321/mine"),
            {Need("sqs:SendMessage", "arn:aws:sqs:eu-west-1:210987654321:mine")},
            id="callback to another queue",
        ),
        pytest.param(
            nested(StateMachineArn=f"{STATES}:stateMachine:other:7"),
            {Need("states:StartExecution", f"{STATES}:stateMachine:other")},
            id="nested",
        ),
        pytest.param(
            nested(".sync:2", StateMachineArn=f"{STATES}:stateMachine:other"),
            {
                Need("states:StartExecution", f"{STATES}:stateMachine:other"),
                Need("states:DescribeExecution", f"{STATES}:execution:other:*"),
                Need("states:StopExecution", f"{STATES}:execution:other:*"),
                *(
                    Need(
                        f"events:{action}",
                        "arn:aws:events:eu-central-1:123456789012:rule/"
                        "StepFunctionsGetEventsForStepFunctionsExecutionRule",
                    )
                    for action in ("DescribeRule", "PutRule", "PutTargets")
                ),
            },
            id="nested and awaited",
        ),
        pytest.param(
            distributed(),
            {
                Need("states:StartExecution", f"{STATES}:stateMachine:prod--order--*"),
                Need("states:DescribeExecution", f"{STATES}:execution:prod--order--*:*"),
                Need("states:StopExecution", f"{STATES}:execution:prod--order--*:*"),
                Need("states:RedriveExecution", f"{STATES}:execution:prod--order--*/*:*"),
            },
            id="distributed Map",
        ),
    ],
)
def test_state_machines_may_do_what_their_states_call_and_nothing_else(
    state: dict[str, Any], allowed: set[Need]
) -> None:
    document, notes = of_machines(state)
    assert pairs(document) == allowed
    assert notes == ()


def test_a_distributed_map_reads_and_writes_its_buckets() -> None:
    without = pairs(of_machines(distributed())[0])
    document, notes = of_machines(distributed(**READER, **WRITER))
    assert pairs(document) - without == {
        Need("s3:GetObject", "arn:aws:s3:::orders/all.json"),
        Need("s3:GetObject", "arn:aws:s3:::results/orders/*"),
        Need("s3:PutObject", "arn:aws:s3:::results/orders/*"),
        Need("s3:AbortMultipartUpload", "arn:aws:s3:::results/orders/*"),
        Need("s3:ListMultipartUploadParts", "arn:aws:s3:::results/orders/*"),
    }
    assert notes == ()
    reader = READER["ItemReader"] | {"ReaderConfig": {"InputType": "MANIFEST"}}
    document, _ = of_machines(distributed(ItemReader=reader))
    assert pairs(document) - without == {Need("s3:GetObject", "arn:aws:s3:::orders/*")}
    document, _ = of_machines(distributed(**LISTER))
    assert pairs(document) - without == {Need("s3:ListBucket", "arn:aws:s3:::orders")}
    anywhere = {"ItemReader": READER["ItemReader"] | {"Parameters": {"Bucket.$": "$.b"}}}
    document, notes = of_machines(distributed(**anywhere))
    assert pairs(document) == without
    assert notes[0].startswith("order, state 's0': the bucket of its ItemReader is known only")


def pairs(document: Mapping[str, Any]) -> set[Need]:
    return {
        Need(action, resource)
        for each in document["Statement"]
        for action in each["Action"]
        for resource in each["Resource"]
    }


@pytest.mark.parametrize(
    ("state", "allowed", "note"),
    [
        pytest.param(
            callback(**{"QueueUrl.$": "$.queue"}),
            {Need("sqs:SendMessage", "arn:aws:sqs:eu-central-1:123456789012:*")},
            "order, state 's0': the queue is known only when it runs",
            id="queue",
        ),
        pytest.param(
            nested(**{"StateMachineArn.$": "$.machine"}),
            {Need("states:StartExecution", f"{STATES}:stateMachine:*")},
            "order, state 's0': the state machine is known only when it runs",
            id="state machine",
        ),
        pytest.param(
            task("arn:aws:states:::lambda:invoke", Parameters={"FunctionName": "f"}),
            set(),
            "order, state 's0': what arn:aws:states:::lambda:invoke needs is not derived",
            id="another service",
        ),
    ],
)
def test_what_is_known_only_when_it_runs_is_told(
    state: dict[str, Any], allowed: set[Need], note: str
) -> None:
    document, notes = of_machines(state)
    if allowed:
        assert pairs(document) == allowed
    else:
        assert document["Statement"][0]["Effect"] == "Deny"
    assert [each for each in notes if each.startswith(note)]


def test_callbacks_inside_a_map_count_too() -> None:
    inside = {"StartAt": "wait", "States": {"wait": callback()}}
    document, _ = of_machines({"Type": "Map", "ItemProcessor": inside, "End": True})
    assert pairs(document) == {Need("sqs:SendMessage", QUEUE)}


def test_a_worker_that_provisions_nothing_may_change_nothing_but_workflows() -> None:
    document = policies(flow(wait=callback()), provision="none").documents["worker"]
    writing = ("Create", "Update", "Tag", "Publish", "PassRole", "Delete")
    assert {
        action
        for need in pairs(document)
        if (action := need.action).partition(":")[2].startswith(writing)
    } == {"sqs:DeleteMessage"}


def test_versions_may_be_published_only_of_what_has_versions() -> None:
    made = policies(flow("order", 3, work=task("charge")), flow("ship", -1, work=task("charge")))
    publish = {
        each.resource
        for each in pairs(made.documents["deployer"])
        if each.action in ("states:PublishStateMachineVersion", "states:DeleteStateMachineVersion")
    }
    assert publish == {f"{STATES}:stateMachine:prod--ship---1--*"}


def test_a_role_is_passed_to_step_functions_only() -> None:
    made = policies(flow(work=task("charge")))
    for name in ("worker", "deployer"):
        (statement,) = [
            each for each in made.documents[name]["Statement"] if "iam:PassRole" in each["Action"]
        ]
        assert statement == {
            "Effect": "Allow",
            "Action": ["iam:PassRole"],
            "Resource": [ROLE_ARN],
            "Condition": {"StringEquals": {"iam:PassedToService": "states.amazonaws.com"}},
        }


def test_the_doctor_only_looks() -> None:
    made = policies(flow(version=-1, wait=callback()), flow("ship", work=task("charge")))
    for action in {need.action for need in pairs(made.documents["doctor"])}:
        assert action.partition(":")[2].startswith(("Describe", "Get", "List"))


def test_others_may_do_nothing_to_another_application() -> None:
    for document in list(policies(flow(wait=callback())).documents.values())[1:]:
        for need in (
            Need("states:GetActivityTask", f"{STATES}:activity:prod--bank-charge"),
            Need("states:StartExecution", f"{STATES}:stateMachine:prod--loan--0--a"),
            Need("states:StopExecution", f"{STATES}:execution:prod--loan--0--a:x"),
            Need("sqs:ReceiveMessage", QUEUE.replace("shop", "bank")),
        ):
            assert not is_allowed(document, need)


def test_without_callbacks_nobody_finishes_them() -> None:
    made = policies(flow(work=task("charge")))
    assert list(made.documents) == [
        "state-machine-trust",
        "state-machine",
        "worker",
        "deployer",
        "doctor",
    ]
    services = {need.action.partition(":")[0] for need in pairs(made.documents["worker"])}
    assert services == {"states", "iam"}


def test_a_policy_too_long_for_iam_is_told() -> None:
    made = policies(*EXAMPLES["many"])
    long = [
        name
        for name, document in made.documents.items()
        if len(json.dumps(document, separators=(",", ":"))) > MAX_POLICY_LENGTH
    ]
    assert "deployer" in long
    assert [note.split("'")[1] for note in made.notes] == long
