"""Which acts somebody may see, and which fit what is asked for."""

from __future__ import annotations

import pytest

from api.audit import ActFilter, is_shown
from provisioning.ledger import Act
from provisioning.ledger.records import UNREADABLE

OWNERS = {"b1": "crm", "b2": "shop"}


def act(on: str, **more: str) -> Act:
    return Act(act=more.get("act", "pause"), at=1.0, by=more.get("by", "ana"), on=on)


@pytest.mark.parametrize(
    ("on", "shown"),
    [
        ("batch:b1", True),
        ("batch:b2", False),
        ("batch:deleted", False),
        ("job:b1.4", True),
        ("job:b2.4", False),
        ("job:b1", False),
        ("owner:crm", True),
        ("owner:shop", False),
        ("token:crm", False),
        ("user:ana", False),
        ("anything:new", False),
        ("credential:acme", True),
        ("target:http://b2", True),
        ("all", True),
    ],
)
def test_an_owner_sees_the_acts_on_its_own_things_and_on_what_all_share(on: str, shown: bool) -> None:
    assert is_shown(act(on), "crm", OWNERS) is shown
    assert is_shown(act(on), None, {})


def test_an_entry_that_cannot_be_read_is_shown_as_such_to_all() -> None:
    assert is_shown(act("pv:audit", act=UNREADABLE), "crm", {})


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (ActFilter(), True),
        (ActFilter(act="pause", by="ana", on="batch:b1"), True),
        (ActFilter(on="b1"), True),
        (ActFilter(on="b"), False),
        (ActFilter(on="job:b1"), False),
        (ActFilter(act="resume"), False),
        (ActFilter(by="eva"), False),
    ],
)
def test_an_act_fits_if_every_field_that_is_given_does(wanted: ActFilter, fits: bool) -> None:
    assert wanted.fits(act("batch:b1")) is fits


def test_what_is_on_everything_is_not_found_by_an_empty_name() -> None:
    assert ActFilter(on="all").fits(act("all"))
    assert not ActFilter(on="b1").fits(act("all"))
