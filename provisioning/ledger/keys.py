"""
Every Redis key. A named function here builds each.

Keys of one batch share the hash tag `{batch}`, so all keys of one script are in one slot. The scripts
receive the key of the batch and append the endings of `OF_BATCH`; other keys are in `SHARED`.

| key                        | type   | holds                                                            |
| -------------------------- | ------ | ---------------------------------------------------------------- |
| `pv:{B}`                   | hash   | the batch: name, counts by state, bounds, token counter           |
| `pv:{B}:jobs`              | hash   | N → job N, its widget and its history, each on its own line       |
| `pv:{B}:words`             | hash   | words that recur in jobs → their numbers, and back                |
| `pv:{B}:bodies`            | hash   | N → JSON of the POST                                              |
| `pv:{B}:late`              | hash   | N → further widgets of job N, if any, one per line                |
| `pv:{B}:ready:C`           | list   | numbers of queued jobs of credential C, in order                  |
| `pv:{B}:credentials`       | set    | credentials with a ready list                                     |
| `pv:{B}:waiting`           | zset   | queued jobs that may not start before a time (ms)                 |
| `pv:{B}:leases`            | zset   | claimed and sending jobs by the end of their lease (ms)           |
| `pv:{B}:dead`, `:in_doubt` | zset   | dead jobs, jobs in doubt, by the time they got there (ms)         |
| `pv:{B}:causes`            | hash   | `dead:CAUSE`, `in_doubt:CAUSE` → how many                         |
| `pv:{B}:risk`              | hash   | `all:CAUSE`, `risky:CAUSE` → dead jobs; those that may have a widget |
| `pv:identity:C`            | hash   | job key → job id, for credential C: permanent                     |
| `pv:identities:O:C`        | hash   | the same for an owner O other than `default`                      |
| `pv:format`                | string | format of the ledger; other versions of the program refuse it     |
| `pv:names`                 | hash   | batch name, or `OWNER/NAME` → batch                               |
| `pv:batches`               | zset   | batches by the time they were opened (ms)                         |
| `pv:active`                | zset   | batches with unsettled jobs, by the time of their last claim (ms)  |
| `pv:holds`                 | hash   | `all`, `batch:B`, `credential:C`, `target:T` → who, when, why     |
| `pv:pace:C`                | string | when credential C's next sending time is due (ms)                 |
| `pv:rates`                 | hash   | credential → pace set by an operator                              |
| `pv:learned`               | hash   | credential → rate learned from 429 answers (JSON)                 |
| `pv:workers`               | zset   | workers by the time of their last registration (ms)               |
| `pv:workers:signs`         | hash   | worker → what it was doing then (JSON)                            |
| `pv:brake:SCOPE`           | hash   | a circuit breaker after `resume`: the earliest time of a probe    |
| `pv:{B}:minutes`           | hash   | `MINUTE[/LENGTH]:STATE` → jobs that got there; `:attempts`: POSTs |
| `pv:keys`                  | hash   | batch → its data key, encrypted by a master key; `fingerprints`   |
| `pv:audit`                 | stream | actions of people: who, when, on what, why (JSON); bounded        |
| `pv:events`                | stream | events of batches and single jobs, actions of people; bounded     |
| `pv:tokens`                | hash   | id of an API token → name, scopes, SHA-256 of its secret (JSON)   |
| `pv:tokens:owned`          | hash   | likewise of an owner that is not `default`                        |
| `pv:idempotency:H`         | string | request with an Idempotency-Key, and its answer (JSON)            |
| `pv:idempotency:H:lock`    | string | the server that handles this request; expires if not renewed      |
| `pv:session:H`             | string | a session of the web console, named by the hash of its cookie     |
| `pv:users`                 | hash   | name of a user of the console → scopes, owner, scrypt hash (JSON) |
| `pv:sign_in:KIND:H`        | string | wrong passwords of an `address`, for a `name`, of a `pair` of both|
| `pv:sign_in:known:H`       | string | an address from which a user has signed in; expires               |
| `pv:webhooks`              | hash   | batch, single job or `owner:NAME` → its webhook (may be encrypted)|
| `pv:webhooks:events`       | hash   | `owner:NAME` → the events that its webhook gets                   |
| `pv:webhooks:due`          | zset   | webhooks with pending events, by the next delivery (ms)           |
| `pv:webhooks:states`       | hash   | ON → status of its webhook (JSON); `ON:dropped` → lost events     |
| `pv:outbox:ON`             | list   | pending events of a webhook, oldest first                         |
| `pv:deliveries:ON`         | list   | its last deliveries with their results (JSON), newest first       |
| `pv:delivered:ON`          | hash   | id of a delivery → what was sent, as in the outbox                |
| `pv:confirmed`             | string | a write that replicas must confirm before the program continues   |
| `pv:primary`               | hash   | the current Redis: its run id, since when, what it may lose       |
| `pv:bulk_acts`             | zset   | bulk acts by the time they were asked for (ms); bounded           |
| `pv:bulk_open`             | set    | those that have not ended                                         |
| `pv:bulk:ID`               | hash   | a bulk act (JSON), its state, how far it is, its results          |
| `pv:bulk:ID:lease`         | string | the server that carries it out; expires if not renewed            |
| `pv:bulk_found:ID`         | list   | what a table tells of jobs in doubt, in parts (may be encrypted)  |
| `pv:draft:ID`              | hash   | a file under way in the console (may be encrypted), for two hours |
| `pv:draft_parts:ID`        | list   | its content, compressed, in parts (may be encrypted)              |
| `pv:draft_lease:ID`        | string | the server that checks or sends it; expires if not renewed        |
| `pv:drafts:WHO`            | zset   | a person's files under way, by their last change (ms)             |
| `pv:drafts_open`           | set    | files that are being sent                                         |
| `pv:mappings:O`            | hash   | headers of a file → what owner O has said that they mean (JSON)   |
| `pv:intake:dead`           | list   | refused messages, and why (JSON), newest first; bounded           |
| `pv:intake:bytes`          | string | total size of these messages in bytes                             |
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
    "audit": "pv:audit",
    "bulk": "pv:bulk:",
    "bulk_acts": "pv:bulk_acts",
    "bulk_open": "pv:bulk_open",
    "bulk_found": "pv:bulk_found:",
}
"""Keys that belong to no batch, and prefixes of such keys."""

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
    "risk": ":risk",
    "minutes": ":minutes",
}
"""Endings of the keys of one batch; they follow the key of the batch."""

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
OWNED_TOKENS = "pv:tokens:owned"
USERS = "pv:users"
AUDIT = SHARED["audit"]
BULK_OPEN = SHARED["bulk_open"]
BULK_ACTS = SHARED["bulk_acts"]
DATA_KEYS = "pv:keys"
DRAFTS_OPEN = "pv:drafts_open"
CONFIRMED = "pv:confirmed"


def batch(batch_id: str) -> str:
    """Hash: the batch itself. All its other keys start with this one."""
    return f"pv:{{{batch_id}}}"


def jobs(batch_id: str) -> str:
    """Hash: number → a job, its widget and its history; `ledger.codec` decodes them."""
    return batch(batch_id) + OF_BATCH["jobs"]


def words(batch_id: str) -> str:
    """Hash: words that recur in the jobs of a batch → their numbers, and back."""
    return batch(batch_id) + OF_BATCH["words"]


def bodies(batch_id: str) -> str:
    """Hash: number → JSON of the POST."""
    return batch(batch_id) + OF_BATCH["bodies"]


def late_results(batch_id: str) -> str:
    """Hash: number → further widgets of a job, one per line."""
    return batch(batch_id) + OF_BATCH["late"]


def credentials(batch_id: str) -> str:
    """Set: credentials with a ready list."""
    return batch(batch_id) + OF_BATCH["credentials"]


def brake(scope: str) -> str:
    """Hash: the earliest time of a probe through the circuit breaker of a scope; absent before `resume`."""
    return SHARED["brake"] + scope


def waiting(batch_id: str) -> str:
    """Sorted set: deferred jobs by the time before which they may not start."""
    return batch(batch_id) + OF_BATCH["waiting"]


def leases(batch_id: str) -> str:
    """Sorted set: claimed and sending jobs by the end of their lease."""
    return batch(batch_id) + OF_BATCH["leases"]


def settled_badly(batch_id: str, state: str) -> str:
    """Sorted set: the dead or in-doubt jobs of a batch by the time they got there."""
    return batch(batch_id) + OF_BATCH["badly"] + state


def causes(batch_id: str) -> str:
    """Hash: `dead:CAUSE` or `in_doubt:CAUSE` → how many."""
    return batch(batch_id) + OF_BATCH["causes"]


def risk(batch_id: str) -> str:
    """Hash: `all:CAUSE` → dead jobs, `risky:CAUSE` → those of them that may have a widget."""
    return batch(batch_id) + OF_BATCH["risk"]


def minutes(batch_id: str) -> str:
    """Hash: `MINUTE:STATE` → jobs that got there in that minute; `MINUTE:attempts` → POSTs that began."""
    return batch(batch_id) + OF_BATCH["minutes"]


def ready(batch_id: str, credential: str) -> str:
    """List: the queued jobs of one credential, in order."""
    return batch(batch_id) + OF_BATCH["ready"] + credential


def identity(credential: str, owner: str = DEFAULT) -> str:
    """Hash: a tenant's key → the id of its job; permanent."""
    if owner == DEFAULT:
        return SHARED["identity"] + credential
    return f"{SHARED['identities']}{owner}:{credential}"


def outbox(on: str) -> str:
    """List: pending events of the webhook of a batch, job or owner, oldest first."""
    return SHARED["outbox"] + on


def deliveries(on: str) -> str:
    """List: the last deliveries of a webhook, the newest first."""
    return SHARED["deliveries"] + on


def delivered(on: str) -> str:
    """Hash: id of a delivery → what was sent, as a line of the outbox."""
    return SHARED["delivered"] + on


def idempotency(name: str) -> str:
    """String: the request with an Idempotency-Key (`name` is its hash), and its answer."""
    return f"pv:idempotency:{name}"


def bulk(act: str) -> str:
    """Hash: a bulk act and how far it is."""
    return SHARED["bulk"] + act


def bulk_lease(act: str) -> str:
    """String: the server that carries a bulk act out; expires if not renewed."""
    return f"{bulk(act)}:lease"


def bulk_found(act: str) -> str:
    """List: what a table tells of jobs in doubt, in parts, for a bulk act that resolves them."""
    return SHARED["bulk_found"] + act


def draft(id_: str) -> str:
    """Hash: a file under way, what its person has chosen, and what checking it has found."""
    return f"pv:draft:{id_}"


def draft_parts(id_: str) -> str:
    """List: the content of such a file, in parts."""
    return f"pv:draft_parts:{id_}"


def draft_lease(id_: str) -> str:
    """String: the server that checks or sends such a file; expires if not renewed."""
    return f"pv:draft_lease:{id_}"


def drafts_of(who: str) -> str:
    """Sorted set: a person's files under way, by the time of their last change (ms)."""
    return f"pv:drafts:{who}"


def mappings(owner: str) -> str:
    """Hash: the headers of a file, as a hash of them → what an owner has said that they mean (JSON)."""
    return f"pv:mappings:{owner}"


def session(name: str) -> str:
    """String: a person who has signed in to the console, named by the hash of the cookie."""
    return f"pv:session:{name}"


def sign_in_attempts(name: str) -> str:
    """String: wrong passwords of an address, for a name, or of both; expires."""
    return f"pv:sign_in:{name}"


def known_address(name: str) -> str:
    """String: an address from which a user has signed in (`name` is the hash of both); expires."""
    return f"pv:sign_in:known:{name}"


def idempotency_lock(name: str) -> str:
    """String: the server that handles the request with this key."""
    return f"{idempotency(name)}:lock"


def pace(credential: str) -> str:
    """String: when the next POST of a credential is due, for all workers (`lua/take.lua`)."""
    return f"pv:pace:{credential}"
