"""One reading of what a Redis that is there and says no means, however the client wraps it."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from provisioning.ledger.refusals import code_of, in_words, leads_elsewhere


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ReadOnlyError("You can't write against a read only replica.", status_code="READONLY"), "READONLY"),
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'.", status_code="OOM"), "OOM"),
        (
            ResponseError("UNBLOCKED force unblock from blocking operation, instance state changed"),
            "UNBLOCKED",
        ),
        (
            ResponseError("Command # 1 (ZADD k 1 m) of pipeline caused error: ('MISCONF Errors writing',)"),
            "MISCONF",
        ),
        (
            ResponseError("Error running script (call to f_1): @user_script: 9: -OOM command not allowed"),
            "OOM",
        ),
        (ResponseError("BUSY Valkey is busy running a script."), "BUSY"),
        (ResponseError("BUSYGROUP Consumer Group name already exists"), None),
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), None),
        (ResponseError("Error running script: @user_script:9: attempt to index a nil value"), None),
        (ConnectionError("Connection refused"), None),
    ],
)
def test_the_word_is_found_wherever_it_stands(error: RedisError, code: str | None) -> None:
    assert code_of(error) == code
    assert (in_words(error) is None) == (code is None)


def test_what_a_full_disk_is_called_is_said() -> None:
    said, hint = in_words(
        ResponseError("MISCONF Errors writing to the AOF file: No space left on device")
    ) or ("", "")
    assert str(said).endswith("takes no writes: Errors writing to the AOF file: No space left on device")
    assert "free its disk" in str(hint)


@pytest.mark.parametrize(
    ("code", "elsewhere"), [("READONLY", True), ("UNBLOCKED", True), ("OOM", False), ("MISCONF", False)]
)
def test_a_replica_is_another_server_and_a_full_one_is_not(code: str, elsewhere: bool) -> None:
    assert leads_elsewhere(ResponseError(f"{code} so it is")) == elsewhere
