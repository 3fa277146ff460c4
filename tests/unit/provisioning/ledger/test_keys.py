"""One place for keys: the functions, the table above them and the Lua scripts name the same ones."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from provisioning.errors import ContractError
from provisioning.ledger import keys
from provisioning.ledger.schema import SCRIPTS as SCHEMAS
from provisioning.ledger.schema import lua

SCRIPTS = sorted(
    path.name.removesuffix(".lua")
    for path in (resources.files("provisioning.ledger") / "lua").iterdir()
    if path.name.endswith(".lua") and path.name != "prelude.lua"
)

OF_BATCH = {
    "": keys.batch("B"),
    ":jobs": keys.jobs("B"),
    ":words": keys.words("B"),
    ":bodies": keys.bodies("B"),
    ":late": keys.late_results("B"),
    ":ready:C": keys.ready("B", "C"),
    ":credentials": "pv:{B}:credentials",
    ":waiting": keys.waiting("B"),
    ":leases": keys.leases("B"),
    ":dead": keys.settled_badly("B", "dead"),
    ":in_doubt": keys.settled_badly("B", "in_doubt"),
    ":causes": keys.causes("B"),
    ":risk": keys.risk("B"),
    ":minutes": keys.minutes("B"),
}
SHARED = {
    keys.identity("C"),
    keys.identity("C", "O"),
    keys.FORMAT,
    keys.NAMES,
    keys.BATCHES,
    keys.ACTIVE,
    keys.HOLDS,
    keys.pace("C"),
    keys.RATES,
    keys.LEARNED,
    keys.WEBHOOKS,
    keys.WEBHOOK_EVENTS,
    keys.WEBHOOKS_DUE,
    keys.WEBHOOK_STATES,
    keys.EVENTS,
    keys.outbox("ON"),
    keys.deliveries("ON"),
    keys.delivered("ON"),
    keys.WORKERS,
    keys.WORKER_SIGNS,
    "pv:brake:SCOPE",
}
OF_DOORS = {
    keys.AUDIT,
    keys.DATA_KEYS,
    keys.CONFIRMED,
    keys.PRIMARY,
    keys.TOKENS,
    keys.OWNED_TOKENS,
    keys.INTAKE_DEAD,
    keys.INTAKE_BYTES,
    keys.idempotency("H"),
    keys.session("H"),
    keys.draft("ID"),
    keys.draft_parts("ID"),
    keys.draft_lease("ID"),
    keys.drafts_of("WHO"),
    keys.DRAFTS_OPEN,
    keys.mappings("O"),
    keys.BULK_ACTS,
    keys.BULK_OPEN,
    keys.bulk("ID"),
    keys.bulk_lease("ID"),
    keys.bulk_found("ID"),
    keys.USERS,
    keys.sign_in_attempts("KIND:H"),
    keys.known_address("H"),
    keys.idempotency_lock("H"),
}
"""Keys that no script of a job touches."""


def _in_table() -> set[str]:
    first_cells = [line.split("|")[1] for line in str(keys.__doc__).splitlines() if line.startswith("| `")]
    names: set[str] = set()
    for cell in first_cells:
        for name in re.findall(r"`([^`]+)`", cell):
            names.add(name if name.startswith("pv:") else f"pv:{{B}}{name}")
    return names


def test_the_table_lists_every_key_and_no_other() -> None:
    assert _in_table() == set(OF_BATCH.values()) | SHARED | OF_DOORS


@pytest.mark.parametrize("suffix", list(OF_BATCH))
def test_keys_of_a_batch_hang_below_it_under_one_hash_tag(suffix: str) -> None:
    assert OF_BATCH[suffix] == "pv:{B}" + suffix


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_script_names_a_key_by_itself(script: str) -> None:
    own = (resources.files("provisioning.ledger") / "lua" / f"{script}.lua").read_text()
    assert re.findall(r"'pv:(?!\{)|(?:batch|KEYS\[1\]) \.\. ':\w", re.sub(r"--.*", "", own)) == []


@pytest.mark.parametrize("wrong", ["STATE.DED", "KEY.nmaes", "arg.who_ever"])
def test_a_script_that_names_what_is_not_in_the_schema_is_not_loaded(wrong: str) -> None:
    with pytest.raises(ContractError, match=wrong):
        lua("cancel", f"return {wrong}")


def test_every_script_has_its_description_and_no_other_has_one() -> None:
    assert sorted(SCHEMAS) == SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_says_its_keys_arguments_and_reply(script: str) -> None:
    head = (resources.files("provisioning.ledger") / "lua" / f"{script}.lua").read_text().split("\nlocal")[0]
    assert head.startswith("-- ")
    assert "KEYS[1]" in head
    assert "Returns" in head


def test_scripts_stay_within_the_width_of_the_code() -> None:
    lua = resources.files("provisioning.ledger") / "lua"
    wide = [
        f"{path.name}:{number}"
        for path in lua.iterdir()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 115
    ]
    assert wide == []
