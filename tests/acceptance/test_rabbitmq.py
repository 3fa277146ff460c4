"""RabbitMQ as broker: quorum queues, another service at the Celery door, and what it takes to survive it."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any

import amqp
import pytest
from celery import Celery
from pydantic import SecretStr
from redis import Redis

from chaos.matrix import BY_NAME
from chaos.valkey import Valkey
from provisioning.broker.queue import Waiting, make_app
from provisioning.config.settings import Settings
from provisioning.messages import QUEUE
from tests.integration.test_unreadable_messages import UNREADABLE, good
from tests.support.commands import BIN, Desk, rows_of, running_worker, tenants, until
from tests.support.http_server import job, make_token, running_server
from tests.support.rabbitmq import ABSENT, RabbitMq, rabbitmq_scripts, running_rabbitmq
from tests.support.sandbox_process import SandboxProcess

pytestmark = [
    pytest.mark.skipif(rabbitmq_scripts() is None, reason=ABSENT),
    pytest.mark.timeout(240),  # a node takes some seconds to start, and more on a busy machine
]

SEED = 1


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    """A node of this test process alone."""
    with running_rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as node:
        yield node


@pytest.fixture
def rabbitmq(node: RabbitMq) -> RabbitMq:
    """The node, with nothing in the queue."""
    node.purge(QUEUE)
    return node


def service(rabbitmq: RabbitMq, **settings: str) -> Celery:
    """Another team's app, which knows the broker's address."""
    app = Celery("another-service", broker=rabbitmq.url)
    app.conf.update(task_ignore_result=True, broker_transport_options={"confirm_publish": True}, **settings)
    return app


def queues(rabbitmq: RabbitMq) -> dict[str, str]:
    """Type of each queue that outlives its connection."""
    listed = rabbitmq.ctl("list_queues", "name", "type", "exclusive", "--formatter", "json")
    return {each["name"]: each["type"] for each in json.loads(listed) if not each["exclusive"]}


def waiting(rabbitmq: RabbitMq) -> int:
    """Messages in the queue that no worker has been given."""
    counter = Waiting(make_app(Settings(broker_url=SecretStr(rabbitmq.url))))
    try:
        return counter.count()
    finally:
        counter.close()


def settled(redis_url: str, desk: Desk, batch: str, count: int) -> None:
    def all_succeeded() -> bool:
        shown = desk.run("status", batch, "--json", REDIS_URL=redis_url)
        return shown.code == 0 and shown.last["states"]["succeeded"] == count

    until(all_succeeded, f"{count} of {batch} have succeeded")


def test_what_was_handed_over_goes_through_a_quorum_queue_and_is_done(
    desk: Desk, sandbox: SandboxProcess, redis_url: str, rabbitmq: RabbitMq
) -> None:
    tenants(desk.folder / "tenants.csv", 60)
    sandbox.post_faults({"error-422": 0.1, "error-500": 0.2})
    shared = {"REDIS_URL": redis_url, "BROKER_URL": rabbitmq.url}
    handed_over = desk.run("apply", "tenants.csv", "--detach", "--json", **shared)
    assert handed_over.code == 0, handed_over.err
    assert (queues(rabbitmq), waiting(rabbitmq)) == ({QUEUE: "quorum"}, 1)
    with running_server(
        redis_url, desk.folder, make_token(redis_url, "prometheus", "metrics"), BROKER_URL=rabbitmq.url
    ) as server:
        shown = server.get("/metrics").text
    assert "\nprovision_ledger_queue_messages 1.0\n" in shown

    with running_worker(desk, redis_url, BROKER_URL=rabbitmq.url):
        watched = desk.run("status", "tenants", "--watch", "--json", REDIS_URL=redis_url)
        assert queues(rabbitmq) == {QUEUE: "quorum"}  # none for messages with an ETA: we send none
    assert waiting(rabbitmq) == 0  # nor is one given back when the worker leaves: each was acknowledged
    states = watched.last["states"]
    assert (states["succeeded"] + states["dead"], watched.last["settled"]) == (60, True)
    with Redis.from_url(redis_url) as redis:
        assert not redis.exists(QUEUE)


def test_apply_waits_for_workers_and_writes_its_files(
    desk: Desk, sandbox: SandboxProcess, redis_url: str, rabbitmq: RabbitMq
) -> None:
    tenants(desk.folder / "tenants.csv", 200)
    with running_worker(desk, redis_url, BROKER_URL=rabbitmq.url):
        done = desk.run(
            "apply", "tenants.csv", "--json", "--to", "files", REDIS_URL=redis_url, BROKER_URL=rabbitmq.url
        )
    assert done.code == 0, done.err
    assert len(rows_of(desk.folder / "files" / "created.csv")) == 200
    assert sandbox.stats()["posts"] == 200


def test_a_list_of_the_queues_name_in_the_ledgers_redis_is_none_of_the_workers_business(
    desk: Desk, sandbox: SandboxProcess, redis_url: str, rabbitmq: RabbitMq
) -> None:
    """Another application's Celery has its queue there; nobody here will ever take from it."""
    with Redis.from_url(redis_url) as redis:
        redis.lpush(QUEUE, "not ours")
        with running_worker(desk, redis_url, BROKER_URL=rabbitmq.url) as worker:
            tenants(desk.folder / "tenants.csv", 5)
            desk.run("apply", "tenants.csv", "--detach", REDIS_URL=redis_url, BROKER_URL=rabbitmq.url)
            settled(redis_url, desk, "tenants", 5)
            assert worker.process.poll() is None
        assert redis.lrange(QUEUE, 0, -1) == [b"not ours"]


def test_rabbitmq_that_is_away_does_not_keep_jobs_from_being_handed_over_and_done(
    desk: Desk, sandbox: SandboxProcess, redis_url: str, node: RabbitMq
) -> None:
    tenants(desk.folder / "tenants.csv", 1200)  # three chunks, each of which would ring
    with running_worker(desk, redis_url, BROKER_URL=node.url) as worker:
        node.stop()
        try:
            done = desk.run("apply", "tenants.csv", "--detach", REDIS_URL=redis_url, BROKER_URL=node.url)
            assert done.code == 0, done.err
            assert done.err.count("workers will find the batch without it") == 1
            settled(redis_url, desk, "tenants", 1200)
            assert worker.process.poll() is None
        finally:
            node.start()
    assert sandbox.stats()["posts"] == 1200


def test_another_service_hands_jobs_over_by_a_message(
    desk: Desk, sandbox: SandboxProcess, redis_url: str, rabbitmq: RabbitMq
) -> None:
    sender = service(rabbitmq, task_default_queue_type="quorum")
    with running_worker(desk, redis_url, BROKER_URL=rabbitmq.url):
        for _ in range(2):
            message = {"jobs": [job("m1"), job("m2")], "batch": "message", "idempotency_key": "m"}
            sender.send_task("provision.submit", kwargs=message)
        sender.send_task("provision.submit", kwargs={"jobs": "nonsense", "batch": "bad"})
        settled(redis_url, desk, "message", 2)

        def refused() -> list[Any]:
            return desk.run("refused-messages", "--json", REDIS_URL=redis_url).objects

        until(refused, "the bad one is refused")
        assert [each["batch"] for each in refused()] == ["bad"]
    sender.close()
    assert sandbox.stats()["posts"] == 2


def test_a_message_outlives_a_redis_that_is_away_for_longer_than_its_deliveries_would_last(
    desk: Desk, sandbox: SandboxProcess, rabbitmq: RabbitMq
) -> None:
    """With a delivery limit, which RabbitMQ has from version 4 on by itself; here it is 2."""
    folder = desk.folder / "valkey"
    folder.mkdir()
    valkey = Valkey(folder, "always")
    valkey.start()
    limit = json.dumps({"delivery-limit": 2})
    rabbitmq.ctl("set_policy", "limit", f"^{QUEUE}$", limit, "--apply-to", "queues")
    sender = service(rabbitmq, task_default_queue_type="quorum")
    try:
        with running_worker(desk, valkey.url, BROKER_URL=rabbitmq.url) as worker:
            valkey.stop()
            sender.send_task("provision.submit", kwargs={"jobs": [job("m")], "batch": "message"})
            log = desk.folder / "process-0.err"
            until(lambda: log.read_text().count("message.returned") > 3, "it came more often than that")
            valkey.start()
            settled(valkey.url, desk, "message", 1)
            assert worker.process.poll() is None
    finally:
        rabbitmq.ctl("clear_policy", "limit")
        sender.close()
        valkey.kill()
    assert sandbox.stats()["posts"] == 1


def test_whatever_cannot_be_understood_is_kept_and_the_worker_goes_on(
    desk: Desk, sandbox: SandboxProcess, redis_url: str, rabbitmq: RabbitMq
) -> None:
    """The same messages as on Redis, and arbitrary bytes, as AMQP carries them."""
    draw = random.Random(SEED)
    messages = [_as_amqp(each) for each in UNREADABLE.values()]
    noise = [amqp.Message(draw.randbytes(draw.randrange(40)), **_odd(draw)) for _ in range(100)]
    with running_worker(desk, redis_url, BROKER_URL=rabbitmq.url) as worker:
        with amqp.Connection(rabbitmq.address, confirm_publish=True) as connection:
            channel = connection.channel()
            for message in (*messages, *noise, _as_amqp(good("last"))):
                channel.basic_publish(message, routing_key=QUEUE)
        until(lambda: unacknowledged(rabbitmq) == (0, 0), "each message is acknowledged")
        settled(redis_url, desk, "good", 1)
        assert worker.process.poll() is None
    with Redis.from_url(redis_url) as redis:
        assert redis.llen("pv:intake:dead") >= len(UNREADABLE)
    assert sandbox.stats()["posts"] == 1


def _as_amqp(message: bytes) -> amqp.Message:
    """A message that stands as kombu has it on Redis, as a sender of AMQP would publish it."""
    try:
        envelope = json.loads(message)
        return amqp.Message(
            base64.b64decode(envelope["body"]),
            content_type=str(envelope["content-type"]),
            content_encoding=str(envelope["content-encoding"]),
            application_headers=dict(envelope["headers"]),
        )
    except (ValueError, TypeError, KeyError):
        return amqp.Message(message)


def _odd(draw: random.Random) -> dict[str, Any]:
    return draw.choice(
        [
            {},
            {"content_type": "application/json"},
            {
                "content_type": "application/json",
                "application_headers": {"task": "provision.submit", "id": "x"},
            },
            {"content_type": "application/json", "application_headers": {"task": 5, "compression": "zlib"}},
            {"application_headers": {"compression": "application/x-gzip"}},
        ]
    )


def unacknowledged(rabbitmq: RabbitMq) -> tuple[int, int]:
    """Messages that wait, and that a worker has."""
    [queue] = json.loads(
        rabbitmq.ctl(
            "list_queues", "messages_ready", "messages_unacknowledged", "name", "--formatter", "json"
        )
    )[:1]
    return queue["messages_ready"], queue["messages_unacknowledged"]


def test_a_service_that_declares_a_classic_queue_is_told_so(
    desk: Desk, sandbox: SandboxProcess, redis_url: str, rabbitmq: RabbitMq
) -> None:
    with running_worker(desk, redis_url, BROKER_URL=rabbitmq.url):
        sender = desk.start_program(
            [str(BIN / "celery"), "--broker", rabbitmq.url, "call", "provision.submit"]
        ).end()
        assert sender.code != 0
        assert "inequivalent arg 'x-queue-type'" in sender.out + sender.err
    assert sandbox.stats()["posts"] == 0


def test_a_worker_says_what_to_do_about_a_classic_queue(
    desk: Desk, redis_url: str, rabbitmq: RabbitMq
) -> None:
    with service(rabbitmq) as sender, sender.connection_for_write() as connection:
        channel = connection.default_channel
        channel.queue_delete(QUEUE)
        # Not by sending to it: kombu declares a queue once a process, and has done so in an earlier test.
        channel.queue_declare(QUEUE, durable=True, auto_delete=False)
        try:
            refused = desk.run("worker", REDIS_URL=redis_url, BROKER_URL=rabbitmq.url)
        finally:
            channel.queue_delete(QUEUE)
    assert refused.code == 2
    assert "the queue 'celery' on RabbitMQ is of another kind than ours" in refused.err
    assert "task_default_queue_type='quorum'" in refused.err


@pytest.mark.parametrize(
    "name",
    [
        "after-request-sent",
        "redis-sigkill",
        "rabbitmq-sigterm",
        "rabbitmq-sigkill",
        "rabbitmq-wiped",
    ],
)
async def test_nothing_is_lost_or_doubled(node: RabbitMq, name: str) -> None:
    """Scenarios of the crash matrix with RabbitMQ as broker; `script/chaos --rabbitmq` plays them all."""
    verdict = await BY_NAME[name].run(SEED, rabbitmq=node)
    assert not verdict.problems, f"{verdict.problems[:10]}; again: script/chaos --rabbitmq --only {name}"
