"""
Every Redis key, built by a named function in one place.

Keys of one batch share the hash tag `{batch}`, so that one script's keys share a slot. The scripts
receive the batch's key and append the endings of `OF_BATCH`; other keys they know by `SHARED`.

| key                        | type   | holds                                                            |
| -------------------------- | ------ | ---------------------------------------------------------------- |
| `pv:{B}`                   | hash   | the batch: name, counts by state, bounds, token counter           |
| `pv:{B}:jobs`              | hash   | N → job N, its widget and its story, each on a line of its own    |
| `pv:{B}:words`             | hash   | words that recur in jobs → their numbers, and back                |
| `pv:{B}:bodies`            | hash   | N → JSON of the POST                                              |
| `pv:{B}:late`              | hash   | N → a line each: results beside the one that counts, if any       |
| `pv:{B}:ready:C`           | list   | numbers of queued jobs of credential C, in order                  |
| `pv:{B}:credentials`       | set    | credentials with a ready list                                     |
| `pv:{B}:waiting`           | zset   | queued jobs that may not start before a time (ms)                 |
| `pv:{B}:leases`            | zset   | claimed and sending jobs by the end of their lease (ms)           |
| `pv:{B}:dead`, `:in_doubt` | zset   | those jobs by the time they got there (ms)                        |
| `pv:{B}:causes`            | hash   | `dead:CAUSE`, `in_doubt:CAUSE` → how many                         |
| `pv:identity:C`            | hash   | job key → job id, for credential C: permanent                     |
| `pv:identities:O:C`        | hash   | likewise of an owner O that is not `default`                      |
| `pv:format`                | string | how jobs are kept; a program that knows another way refuses       |
| `pv:names`                 | hash   | batch name, or `OWNER/NAME` → batch                               |
| `pv:batches`               | zset   | batches by the time they were opened (ms)                         |
| `pv:active`                | zset   | batches with unsettled jobs, by the time they were last rung (ms) |
| `pv:holds`                 | hash   | `all`, `batch:B`, `credential:C`, `target:T` → who, when, why     |
| `pv:pace:C`                | string | when credential C's next sending time is due (ms)                 |
| `pv:rates`                 | hash   | credential → pace set by an operator                              |
| `pv:learned`               | hash   | credential → rate that 429s have taught (JSON)                    |
| `pv:workers`               | zset   | workers by the time of their last sign of life (ms)               |
| `pv:workers:signs`         | hash   | worker → what it was doing then, as JSON                          |
| `pv:brake:SCOPE`           | hash   | when a probe may go through a brake, on a person's word           |
| `pv:{B}:minutes`           | hash   | `MINUTE[/LENGTH]:STATE` → jobs that got there then; `:attempts`   |
| `pv:keys`                  | hash   | batch → its data key, wrapped by the master keys; `fingerprints`   |
| `pv:audit`                 | stream | what people did: who, when, on what and why (JSON), bounded       |
| `pv:events`                | stream | what somebody may wait for: batches, single jobs, acts; bounded   |
| `pv:tokens`                | hash   | id of an API token → name, scopes, SHA-256 of its secret (JSON)   |
| `pv:idempotency:H`         | string | what was asked under an Idempotency-Key, and the answer (JSON)    |
| `pv:idempotency:H:lock`    | string | the server that works on it, for as long as it renews this        |
| `pv:webhooks`              | hash   | batch, single job or `owner:NAME` → its webhook: sealed           |
| `pv:webhooks:events`       | hash   | `owner:NAME` → the events that its webhook is told of             |
| `pv:webhooks:due`          | zset   | those with something to tell, by when it is tried next (ms)       |
| `pv:webhooks:states`       | hash   | ON → how its webhook goes (JSON); `ON:dropped` → lost events      |
| `pv:outbox:ON`             | list   | what the webhook on a batch, job or owner is to be told, in order |
| `pv:deliveries:ON`         | list   | its last deliveries and what came of them (JSON), newest first   |
| `pv:delivered:ON`          | hash   | id of a delivery → what was sent, as in the outbox               |
| `pv:confirmed`             | string | written before replicas are waited for                            |
| `pv:primary`               | hash   | the Redis last met: its run id, since when, what it may lose      |
| `pv:intake:dead`           | list   | messages that were refused, and why (JSON), newest first, bounded |
| `pv:intake:bytes`          | string | how many bytes they come to                                       |
"""

from __future__ import annotations

from typing import Final

from provisioning.owner import DEFAULT

SHARED: Final = {
    "format": "pv:format",
    "names": "pv:names",
    "batches": "pv:batches",
    "active": "pv:active",
    "holds": "pv:holds",
    "rates": "pv:rates",
    "learned": "pv:learned",
    "workers": "pv:workers",
    "signs": "pv:workers:signs",
    "identity": "pv:identity:",
    "identities": "pv:identities:",
    "brake": "pv:brake:",
    "webhooks": "pv:webhooks",
    "webhook_events": "pv:webhooks:events",
    "webhooks_due": "pv:webhooks:due",
    "webhook_states": "pv:webhooks:states",
    "outbox": "pv:outbox:",
    "deliveries": "pv:deliveries:",
    "delivered": "pv:delivered:",
    "events": "pv:events",
    "primary": "pv:primary",
    "intake_dead": "pv:intake:dead",
    "intake_bytes": "pv:intake:bytes",
}
"""Keys that all batches share, and beginnings of such keys."""

OF_BATCH: Final = {
    "jobs": ":jobs",
    "words": ":words",
    "bodies": ":bodies",
    "late": ":late",
    "ready": ":ready:",
    "credentials": ":credentials",
    "waiting": ":waiting",
    "leases": ":leases",
    "badly": ":",
    "causes": ":causes",
    "minutes": ":minutes",
}
"""Endings of a batch's own keys, put after its key."""

FORMAT = SHARED["format"]
NAMES = SHARED["names"]
BATCHES = SHARED["batches"]
ACTIVE = SHARED["active"]
HOLDS = SHARED["holds"]
RATES = SHARED["rates"]
LEARNED = SHARED["learned"]
WORKERS = SHARED["workers"]
WORKER_SIGNS = SHARED["signs"]
WEBHOOKS = SHARED["webhooks"]
WEBHOOK_EVENTS = SHARED["webhook_events"]
WEBHOOKS_DUE = SHARED["webhooks_due"]
WEBHOOK_STATES = SHARED["webhook_states"]
EVENTS = SHARED["events"]
PRIMARY = SHARED["primary"]
INTAKE_DEAD = SHARED["intake_dead"]
INTAKE_BYTES = SHARED["intake_bytes"]
TOKENS = "pv:tokens"
AUDIT = "pv:audit"
DATA_KEYS = "pv:keys"
CONFIRMED = "pv:confirmed"


def batch(batch_id: str) -> str:
    """Hash of the batch itself; all its other keys start with this one."""
    return f"pv:{{{batch_id}}}"


def jobs(batch_id: str) -> str:
    """Hash: number → a job, its widget and its story, as `ledger.kept` reads them."""
    return batch(batch_id) + OF_BATCH["jobs"]


def words(batch_id: str) -> str:
    """Hash: words that recur in a batch's jobs → their numbers, and back."""
    return batch(batch_id) + OF_BATCH["words"]


def bodies(batch_id: str) -> str:
    """Hash: number → JSON of the POST."""
    return batch(batch_id) + OF_BATCH["bodies"]


def late_results(batch_id: str) -> str:
    """Hash: number → results that came beside the one that counts, a line each."""
    return batch(batch_id) + OF_BATCH["late"]


def credentials(batch_id: str) -> str:
    """Set: credentials with a ready list."""
    return batch(batch_id) + OF_BATCH["credentials"]


def brake(scope: str) -> str:
    """Hash: when a probe may go through the brake on a scope; absent where no person has said so."""
    return SHARED["brake"] + scope


def waiting(batch_id: str) -> str:
    """Sorted set: deferred jobs by the time before which they may not start."""
    return batch(batch_id) + OF_BATCH["waiting"]


def leases(batch_id: str) -> str:
    """Sorted set: held jobs by the end of their lease."""
    return batch(batch_id) + OF_BATCH["leases"]


def settled_badly(batch_id: str, state: str) -> str:
    """Sorted set: the dead or in-doubt jobs of a batch by the time they got there."""
    return batch(batch_id) + OF_BATCH["badly"] + state


def causes(batch_id: str) -> str:
    """Hash: `dead:CAUSE` or `in_doubt:CAUSE` → how many."""
    return batch(batch_id) + OF_BATCH["causes"]


def minutes(batch_id: str) -> str:
    """Hash: `MINUTE:STATE` or `MINUTE:attempts` → how many jobs got there, POSTs began, in that minute."""
    return batch(batch_id) + OF_BATCH["minutes"]


def ready(batch_id: str, credential: str) -> str:
    """List: the queued jobs of one credential, in order."""
    return batch(batch_id) + OF_BATCH["ready"] + credential


def identity(credential: str, owner: str = DEFAULT) -> str:
    """Hash: a tenant's key → the id of its job, for good."""
    if owner == DEFAULT:
        return SHARED["identity"] + credential
    return f"{SHARED['identities']}{owner}:{credential}"


def outbox(on: str) -> str:
    """List: what the webhook of a batch, job or owner is still to be told, oldest first."""
    return SHARED["outbox"] + on


def deliveries(on: str) -> str:
    """List: the last deliveries of a webhook, the newest first."""
    return SHARED["deliveries"] + on


def delivered(on: str) -> str:
    """Hash: id of a delivery → what was sent, as a line of the outbox."""
    return SHARED["delivered"] + on


def idempotency(name: str) -> str:
    """String: what was asked under an Idempotency-Key, named by its hash, and the answer."""
    return f"pv:idempotency:{name}"


def idempotency_lock(name: str) -> str:
    """String: the server that works on what was asked under the key."""
    return f"{idempotency(name)}:lock"


def pace(credential: str) -> str:
    """String: the one number that is the pace all workers share for one credential."""
    return f"pv:pace:{credential}"
