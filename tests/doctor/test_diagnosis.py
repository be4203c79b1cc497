"""What `engine.diagnose` finds where something is broken, on all backends."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import anyio
import boto3
import pytest

from aiowfm import Engine, LocalBackend, UsageError
from aiowfm.health import Check, Diagnosis, Health
from tests.aws.stub import FAILURE, OK, Answer, Fault, Stub, refusal, stub
from tests.cli.examined_program import definitions
from tests.ministack import REGION, ROLE_ARN, MiniStack
from tests.places import KEYS, OTHER_ROLE_ARN, Place

pytestmark = pytest.mark.anyio

MACHINE = {"StartAt": "give", "States": {"give": {"Type": "Pass", "End": True}}}
PLAIN = json.dumps({"name": "flow", "version": 0, "stateMachine": MACHINE})


def engine_of(
    backend: Any, environment: str = "dev", text: str = "", provision: Any = "check"
) -> Engine:
    engine = Engine(
        app="shop",
        environment=environment,
        definitions=text or definitions(),
        backend=backend,
        provision=provision,
        grace_seconds=0,
    )
    engine.task("work")(lambda: None)
    return engine


def by_subject(diagnosis: Diagnosis) -> dict[str, Check]:
    """The checks by what they are about; of several, the worst."""
    order = [Health.OK, Health.UNKNOWN, Health.WARNING, Health.PROBLEM]
    return {
        each.subject: each
        for each in sorted(diagnosis, key=lambda check: order.index(check.health))
    }


def problems(diagnosis: Diagnosis) -> set[str]:
    return {each.subject for each in diagnosis if each.health is Health.PROBLEM}


async def test_a_role_or_a_number_of_processes_that_cannot_be_is_refused() -> None:
    engine = engine_of(LocalBackend())
    with pytest.raises(UsageError, match="role='owner': it must be one of 'worker', 'finalizer'"):
        await engine.diagnose(role="owner")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(UsageError, match="processes=0: it must be at least 1"):
        await engine.diagnose(processes=0)


async def test_what_is_deployed_is_well_and_stays_as_it_is(place: Place, environment: str) -> None:
    engine = engine_of(place.backend, environment, PLAIN)
    await engine.deploy()
    name = f"{environment}--flow--0--give"
    before = await place.describe(name)
    place.called.clear()
    diagnosis = await engine.diagnose()
    assert diagnosis.is_healthy
    found = by_subject(diagnosis)
    assert found[f"state machine {name}"].message == "as its definition"
    assert found[f"activity {environment}--shop-work"].health is Health.OK
    assert place.writes == []
    assert await place.describe(name) == before


async def test_what_is_missing_is_a_problem_unless_it_will_be_made(
    place: Place, environment: str
) -> None:
    subjects = {f"activity {environment}--shop-work", f"state machine {environment}--flow--0--give"}
    for provision in ("check", "none"):
        engine = engine_of(place.backend, environment, PLAIN, provision)
        diagnosis = await engine.diagnose()
        assert problems(diagnosis) == subjects
        for subject in subjects:
            assert "aiowfm deploy" in by_subject(diagnosis)[subject].advice
    diagnosis = await engine_of(place.backend, environment, PLAIN, "create").diagnose()
    assert diagnosis.is_healthy
    for subject in subjects:
        assert by_subject(diagnosis)[subject].message.startswith("not there yet: made when")


async def test_drift_is_told(place: Place, environment: str) -> None:
    text = json.dumps({"name": "flow", "version": -1, "stateMachine": MACHINE})
    other = json.dumps(
        {"name": "flow", "version": -1, "stateMachine": MACHINE | {"Comment": "another"}}
    )
    await engine_of(place.backend, environment, text).deploy()
    subject = f"state machine {environment}--flow---1--give"
    found = by_subject(await engine_of(place.backend, environment, other).diagnose())[subject]
    assert (found.health, found.message) == (Health.PROBLEM, "it differs from its definition")
    found = by_subject(await engine_of(place.backend, environment, other, "create").diagnose())[
        subject
    ]
    assert found.health is Health.WARNING

    immutable = PLAIN.replace('"End": true', '"Result": 1, "End": true')
    await engine_of(place.backend, environment, PLAIN).deploy()
    diagnosis = await engine_of(place.backend, environment, immutable, "create").diagnose()
    assert problems(diagnosis) == {f"state machine {environment}--flow--0--give"}
    assert "--dry-run" in by_subject(diagnosis)[problems(diagnosis).pop()].advice


async def test_definitions_that_do_not_fit_the_handlers_are_told() -> None:
    diagnosis = await engine_of(
        LocalBackend(),
        text=PLAIN.replace(
            '{"Type": "Pass", "End": true}', '{"Type": "Task", "Resource": "wrok", "End": true}'
        ),
    ).diagnose()
    found = by_subject(diagnosis)["definitions"]
    assert found.health is Health.PROBLEM
    assert "no handler is registered for 'wrok'" in found.message


async def test_an_embedded_backend_in_memory_is_remarked_on() -> None:
    diagnosis = await engine_of(LocalBackend(), provision="create").diagnose()
    found = by_subject(diagnosis)
    assert found["backend"].health is Health.WARNING
    assert "in memory" in found["backend"].message
    assert not {"poll rate", "heartbeat rate", "permissions", "credentials"} & set(found)
    assert diagnosis.is_healthy


async def test_a_file_is_looked_into_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    engine = engine_of(LocalBackend(path), provision="create")
    found = by_subject(await engine.diagnose())["backend"]
    assert found.message == "its file does not exist yet: made when the engine starts"
    assert not path.exists()
    async with engine:
        other = await engine_of(LocalBackend(path)).diagnose()
        assert problems(other) == {"backend"}
        assert "in use" in by_subject(other)["backend"].message
    diagnosis = await engine.diagnose()
    assert diagnosis.is_healthy
    assert "shop.db" in by_subject(diagnosis)["backend"].message


async def test_dead_letters_of_an_embedded_backend_are_told(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path / "shop.db")
    async with backend.open(max_polls=0) as opened:
        queues = opened.service.queues
        url = await opened.callbacks("dev--shop-callbacks").queue_url()
        queues.send(f"{url}-dlq", "lost")
        await opened.service.flushed()
    diagnosis = await engine_of(backend, provision="create").diagnose()
    assert problems(diagnosis) == {"dead-letter queue dev--shop-callbacks-dlq"}


@pytest.mark.aws
class TestCallbacks:
    """The queues and the table, on an emulator that has them."""

    @pytest.fixture
    async def place(self, ministack: MiniStack, environment: str) -> Place:
        place = Place(ministack.backend(), ROLE_ARN, "", url=ministack.url)
        await engine_of(place.backend, environment).deploy()
        return place

    def client(self, place: Place, service: str) -> Any:
        return boto3.client(service, region_name=REGION, endpoint_url=place.url, **KEYS)

    async def test_all_is_well(self, place: Place, environment: str) -> None:
        diagnosis = await engine_of(place.backend, environment).diagnose()
        assert diagnosis.is_healthy, problems(diagnosis)
        found = by_subject(diagnosis)
        assert found[f"dead-letter queue {environment}--shop-callbacks-dlq"].health is Health.OK
        assert found["credentials"].message == "arn:aws:iam::000000000000:root"
        assert found["clock"].health is Health.OK

    async def test_a_missing_queue_and_an_absent_time_to_live(
        self, place: Place, environment: str
    ) -> None:
        name = f"{environment}--shop-callbacks"
        sqs, dynamodb = self.client(place, "sqs"), self.client(place, "dynamodb")
        sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])
        dynamodb.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"},
        )
        diagnosis = await engine_of(place.backend, environment).diagnose()
        assert f"queue {name}" in problems(diagnosis)
        (ttl,) = [each for each in diagnosis if each.subject.startswith("time to live")]
        assert ttl.health is Health.PROBLEM
        diagnosis = await engine_of(place.backend, environment, provision="create").diagnose()
        (ttl,) = [each for each in diagnosis if each.subject.startswith("time to live")]
        assert ttl.health is Health.WARNING

    async def test_a_missing_table(self, place: Place, environment: str) -> None:
        name = f"{environment}--shop-callbacks"
        self.client(place, "dynamodb").delete_table(TableName=name)
        diagnosis = await engine_of(place.backend, environment).diagnose()
        assert problems(diagnosis) == {f"table {name}"}

    async def test_messages_among_the_dead_letters_and_a_queue_that_makes_none(
        self, place: Place, environment: str
    ) -> None:
        name = f"{environment}--shop-callbacks"
        sqs = self.client(place, "sqs")
        for _ in range(2):
            url = sqs.get_queue_url(QueueName=f"{name}-dlq")["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody="lost")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "5"})
        diagnosis = await engine_of(place.backend, environment).diagnose()
        assert problems(diagnosis) == {f"dead-letter queue {name}-dlq"}
        found = by_subject(diagnosis)
        assert found[f"dead-letter queue {name}-dlq"].message.startswith("messages in it: 2;")
        assert found[f"queue {name}"].health is Health.WARNING
        assert "VisibilityTimeout 5" in found[f"queue {name}"].message

    async def test_a_queue_without_a_redrive_policy(self, place: Place, environment: str) -> None:
        name = f"{environment}--shop-callbacks"
        sqs = self.client(place, "sqs")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
        diagnosis = await engine_of(place.backend, environment).diagnose()
        assert problems(diagnosis) == {f"redrive policy {name}"}
        diagnosis = await engine_of(place.backend, environment, provision="create").diagnose()
        assert by_subject(diagnosis)[f"redrive policy {name}"].health is Health.WARNING

    async def test_another_role_is_told(self, place: Place, environment: str) -> None:
        backend = place.backend
        backend._role_arn = OTHER_ROLE_ARN  # type: ignore[attr-defined]  # of AwsBackend
        diagnosis = await engine_of(backend, environment).diagnose()
        (subject,) = problems(diagnosis)
        assert f"not as {OTHER_ROLE_ARN}" in by_subject(diagnosis)[subject].message

    async def test_probing_leaves_nothing(self, place: Place, environment: str) -> None:
        await engine_of(place.backend, environment).diagnose()
        names = [
            each["name"]
            for each in self.client(place, "stepfunctions").list_state_machines()["stateMachines"]
            if each["name"].startswith(environment)
        ]
        assert names == [f"{environment}--flow---1--work"]
        table = self.client(place, "dynamodb").scan(TableName=f"{environment}--shop-callbacks")
        assert table["Items"] == []


IDENTITY = Answer(
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/u</Arn>"
    "<UserId>u</UserId><Account>123456789012</Account></GetCallerIdentityResult>"
    "</GetCallerIdentityResponse>"
)
DENIED = refusal("AccessDeniedException", "User u is not authorized to perform it")


def scripted(server: Stub, **answers: Answer | Fault) -> None:
    """Everything is there, unless *answers* say otherwise."""
    arn = "arn:aws:states:eu-central-1:123456789012"
    machine = {
        "stateMachineArn": f"{arn}:stateMachine:dev--flow--0--give",
        "definition": json.dumps(MACHINE),
        "roleArn": "arn:aws:iam::123456789012:role/workflows",
    }
    defaults: dict[str, Answer | Fault] = {
        "GetCallerIdentity": IDENTITY,
        "ListStateMachines": Answer({"stateMachines": []}),
        "DescribeActivity": Answer({"activityArn": f"{arn}:activity:dev--shop-work"}),
        "DescribeStateMachine": Answer(machine),
        "ListTagsForResource": Answer({"tags": []}),
        "SendTaskSuccess": refusal("InvalidToken"),
        "SendTaskFailure": refusal("InvalidToken"),
        "SendTaskHeartbeat": refusal("InvalidToken"),
        "StartExecution": refusal("StateMachineDoesNotExist"),
        "ListExecutions": refusal("StateMachineDoesNotExist"),
        "DescribeExecution": refusal("ExecutionDoesNotExist"),
        "GetExecutionHistory": refusal("ExecutionDoesNotExist"),
        "RedriveExecution": refusal("ExecutionDoesNotExist"),
        "StopExecution": refusal("ExecutionDoesNotExist"),
    }
    server.answers.update({name: [each] for name, each in (defaults | answers).items()})


async def examined(server: Stub, role: Any = "worker", **answers: Answer | Fault) -> Diagnosis:
    scripted(server, **answers)
    engine = engine_of(server.backend(), text=PLAIN, provision="create")
    with anyio.fail_after(15):
        return await engine.diagnose(role=role)


@pytest.fixture
async def server() -> Any:
    async with stub() as running:
        yield running


async def test_missing_permissions_are_told_one_by_one(server: Stub) -> None:
    diagnosis = await examined(server, StartExecution=DENIED, SendTaskHeartbeat=DENIED)
    assert problems(diagnosis) == {"states:StartExecution", "states:SendTaskHeartbeat"}
    found = by_subject(diagnosis)["states:StartExecution"]
    assert found.message.startswith("denied on dev--flow--0--aiowfm-doctor: StartExecution: User u")
    assert "aiowfm iam" in found.advice
    (allowed,) = [each.message for each in diagnosis if each.message.startswith("allowed: ")]
    assert "states:StopExecution" in allowed
    assert "states:StartExecution" not in allowed


async def test_what_is_tried_has_a_name_that_step_functions_takes(server: Stub) -> None:
    scripted(server)
    text = PLAIN.replace('"flow"', json.dumps("f" * 59)).replace('"give"', '"g"')
    await engine_of(server.backend(), text=text, provision="create").diagnose()
    (arn,) = [
        request["stateMachineArn"]
        for operation, request in server.requests
        if operation == "StartExecution"
    ]
    name = arn.rpartition(":")[2]
    assert name == f"dev--{'f' * 59}--0--aiowfm-doct"  # 80 characters


async def test_a_finalizer_needs_no_permission_to_start_workflows(server: Stub) -> None:
    diagnosis = await examined(server, "finalizer", StartExecution=DENIED)
    assert diagnosis.is_healthy
    assert "StartExecution" not in server.operations()
    diagnosis = await examined(server, "finalizer", SendTaskSuccess=DENIED)
    assert problems(diagnosis) == {"states:SendTaskSuccess"}


async def test_a_doctor_tries_nothing(server: Stub) -> None:
    diagnosis = await examined(server, "doctor", SendTaskSuccess=DENIED, StartExecution=DENIED)
    assert diagnosis.is_healthy
    assert not [each for each in server.operations() if each.startswith(("Send", "Start"))]


async def test_who_may_not_look_is_told_so_and_the_rest_is_looked_at(server: Stub) -> None:
    diagnosis = await examined(server, DescribeActivity=DENIED)
    found = by_subject(diagnosis)["activity dev--shop-work"]
    assert found.health is Health.UNKNOWN
    assert "aiowfm iam --role doctor" in found.advice
    assert by_subject(diagnosis)["state machine dev--flow--0--give"].health is not Health.UNKNOWN


async def test_who_may_do_nothing_at_all_is_told_all_of_it(server: Stub) -> None:
    scripted(server)
    for operation in set(server.answers) - {"GetCallerIdentity"}:
        server.answers[operation] = [DENIED]
    diagnosis = await engine_of(server.backend(), text=PLAIN).diagnose()
    assert problems(diagnosis) == {
        f"states:{operation}"
        for operation in server.answers
        if operation
        not in (
            "GetCallerIdentity",
            "DescribeActivity",
            "DescribeStateMachine",
            "ListTagsForResource",
        )
    }
    looks = {each.subject for each in diagnosis if "may not look" in each.message}
    assert looks == {"activity dev--shop-work", "state machine of flow"}


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"])
async def test_wrong_credentials_are_told_once_and_end_it(server: Stub, code: str) -> None:
    wrong = Answer(f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>", 403)
    refused = refusal("UnrecognizedClientException", "The security token is invalid.")
    diagnosis = await examined(server, GetCallerIdentity=wrong, ListStateMachines=refused)
    (problem,) = [each for each in diagnosis if each.health is Health.PROBLEM]
    assert problem.subject == "credentials"
    assert code in problem.message
    assert "AWS_PROFILE" in problem.advice
    assert set(server.operations()) == {"GetCallerIdentity", "ListStateMachines"}


async def test_credentials_that_only_step_functions_refuses_are_told(server: Stub) -> None:
    refused = refusal("UnrecognizedClientException", "The security token is invalid.")
    unknown = Answer("<html>not found</html>", 404)
    diagnosis = await examined(server, GetCallerIdentity=unknown, ListStateMachines=refused)
    assert problems(diagnosis) == {"credentials"}


async def test_without_a_token_service_the_rest_is_looked_at(server: Stub) -> None:
    diagnosis = await examined(server, GetCallerIdentity=FAILURE)
    assert by_subject(diagnosis)["credentials"].health is Health.UNKNOWN
    assert diagnosis.is_healthy


async def test_without_a_token_service_the_account_has_to_be_given(server: Stub) -> None:
    scripted(server, GetCallerIdentity=FAILURE)
    engine = engine_of(server.backend(account_id=None), text=PLAIN)
    diagnosis = await engine.diagnose()
    assert problems(diagnosis) == {"credentials"}
    assert "account_id" in by_subject(diagnosis)["credentials"].advice
    assert by_subject(diagnosis)["Step Functions"].health is Health.OK


async def test_another_account_is_told(server: Stub) -> None:
    assert isinstance(IDENTITY.body, str)
    other = Answer(IDENTITY.body.replace("123456789012", "210987654321"))
    diagnosis = await examined(server, GetCallerIdentity=other)
    assert problems(diagnosis) == {"account", "role"}


async def test_no_answer_ends_it(server: Stub) -> None:
    diagnosis = await examined(server, GetCallerIdentity=Fault.RESET, ListStateMachines=Fault.RESET)
    assert problems(diagnosis) == {"Step Functions"}
    found = by_subject(diagnosis)["Step Functions"]
    assert server.url in found.message
    assert "endpoint_url" in found.advice
    assert set(server.operations()) == {"GetCallerIdentity", "ListStateMachines"}


async def test_who_may_not_list_state_machines_can_still_be_examined(server: Stub) -> None:
    diagnosis = await examined(server, ListStateMachines=DENIED)
    assert problems(diagnosis) == {"states:ListStateMachines"}
    assert by_subject(diagnosis)["Step Functions"].health is Health.OK


async def test_a_region_that_nobody_knows_is_remarked_on(server: Stub) -> None:
    scripted(server)
    backend = server.backend(region="eu-cental-1")
    diagnosis = await engine_of(backend, text=PLAIN, provision="create").diagnose()
    found = by_subject(diagnosis)["region"]
    assert found.health is Health.WARNING
    assert "eu-central-1" in found.message


@pytest.mark.parametrize(
    ("ahead", "health"),
    [(0, Health.OK), (-30, Health.WARNING), (30, Health.WARNING), (1000, Health.PROBLEM)],
)
async def test_a_clock_that_is_wrong_is_told(
    server: Stub, monkeypatch: pytest.MonkeyPatch, ahead: float, health: Health
) -> None:
    there = time.time()
    monkeypatch.setattr("aiowfm.aws.diagnostics.time.time", lambda: there + ahead)
    scripted(server)
    server.date = there
    diagnosis = await engine_of(server.backend(), text=PLAIN, provision="create").diagnose()
    found = by_subject(diagnosis)["clock"]
    assert found.health is health
    if ahead:
        assert ("ahead of" if ahead > 0 else "behind") in found.message


async def test_an_answer_without_a_date_says_nothing_of_the_clock(server: Stub) -> None:
    diagnosis = await examined(server, DescribeActivity=OK)
    assert by_subject(diagnosis)["clock"].health is Health.UNKNOWN
