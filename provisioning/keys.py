"""
Every Redis key, built by a named function in one place.

Keys of one batch share the hash tag `{batch}`, so that one script's keys share a slot. The scripts
receive the batch's key and append the same suffixes; `tests/unit/test_keys.py` compares the two.

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
| `pv:format`                | string | how jobs are kept; a program that knows another way refuses       |
| `pv:names`                 | hash   | batch name → batch                                                |
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
| `pv:{B}:events`            | stream | what followers of the batch were told, the last thousand          |
| `pv:tokens`                | hash   | id of an API token → name, scopes, SHA-256 of its secret (JSON)   |
| `pv:idempotency:H`         | string | what was asked under an Idempotency-Key, and the answer (JSON)    |
| `pv:idempotency:H:lock`    | string | the server that works on it, for as long as it renews this        |
| `pv:webhooks`              | hash   | batch → its webhook, secret included, and what it was told: sealed |
| `pv:webhooks:B`            | string | the server that is telling, for as long as it may take            |
| `pv:intake:dead`           | list   | messages that were refused, and why (JSON), newest first, bounded |
| `pv:intake:bytes`          | string | how many bytes they come to                                       |
"""

from __future__ import annotations

FORMAT = "pv:format"
NAMES = "pv:names"
BATCHES = "pv:batches"
ACTIVE = "pv:active"
HOLDS = "pv:holds"
RATES = "pv:rates"
LEARNED = "pv:learned"
WORKERS = "pv:workers"
WORKER_SIGNS = "pv:workers:signs"
TOKENS = "pv:tokens"
AUDIT = "pv:audit"
DATA_KEYS = "pv:keys"
INTAKE_DEAD = "pv:intake:dead"
INTAKE_BYTES = "pv:intake:bytes"
WEBHOOKS = "pv:webhooks"


def batch(batch_id: str) -> str:
    """Hash of the batch itself; all its other keys start with this one."""
    return f"pv:{{{batch_id}}}"


def jobs(batch_id: str) -> str:
    """Hash: number → a job, its widget and its story, as `ledger.kept` reads them."""
    return f"{batch(batch_id)}:jobs"


def words(batch_id: str) -> str:
    """Hash: words that recur in a batch's jobs → their numbers, and back."""
    return f"{batch(batch_id)}:words"


def bodies(batch_id: str) -> str:
    """Hash: number → JSON of the POST."""
    return f"{batch(batch_id)}:bodies"


def late_results(batch_id: str) -> str:
    """Hash: number → results that came beside the one that counts, a line each."""
    return f"{batch(batch_id)}:late"


def credentials(batch_id: str) -> str:
    """Set: credentials with a ready list."""
    return f"{batch(batch_id)}:credentials"


def brake(scope: str) -> str:
    """Hash: when a probe may go through the brake on a scope; absent where no person has said so."""
    return f"pv:brake:{scope}"


def waiting(batch_id: str) -> str:
    """Sorted set: deferred jobs by the time before which they may not start."""
    return f"{batch(batch_id)}:waiting"


def leases(batch_id: str) -> str:
    """Sorted set: held jobs by the end of their lease."""
    return f"{batch(batch_id)}:leases"


def settled_badly(batch_id: str, state: str) -> str:
    """Sorted set: the dead or in-doubt jobs of a batch by the time they got there."""
    return f"{batch(batch_id)}:{state}"


def causes(batch_id: str) -> str:
    """Hash: `dead:CAUSE` or `in_doubt:CAUSE` → how many."""
    return f"{batch(batch_id)}:causes"


def minutes(batch_id: str) -> str:
    """Hash: `MINUTE:STATE` or `MINUTE:attempts` → how many jobs got there, POSTs began, in that minute."""
    return f"{batch(batch_id)}:minutes"


def ready(batch_id: str, credential: str) -> str:
    """List: the queued jobs of one credential, in order."""
    return f"{batch(batch_id)}:ready:{credential}"


def identity(credential: str) -> str:
    """Hash: a tenant's key → the id of its job, for good."""
    return f"pv:identity:{credential}"


def events(batch_id: str) -> str:
    """Stream: what followers of a batch were told."""
    return f"{batch(batch_id)}:events"


def webhook_lock(batch_id: str) -> str:
    """String: the server that is telling a batch's webhook."""
    return f"{WEBHOOKS}:{batch_id}"


def idempotency(name: str) -> str:
    """String: what was asked under an Idempotency-Key, named by its hash, and the answer."""
    return f"pv:idempotency:{name}"


def idempotency_lock(name: str) -> str:
    """String: the server that works on what was asked under the key."""
    return f"{idempotency(name)}:lock"


def pace(credential: str) -> str:
    """String: the one number that is the pace all workers share for one credential."""
    return f"pv:pace:{credential}"


def hold_batch(batch_id: str) -> str:
    """Field of `HOLDS` that keeps one batch back."""
    return f"batch:{batch_id}"


def hold_credential(credential: str) -> str:
    """Field of `HOLDS` that keeps one credential back."""
    return f"credential:{credential}"


def hold_target(target: str) -> str:
    """Field of `HOLDS` that keeps one target API back."""
    return f"target:{target}"


HOLD_ALL = "all"
