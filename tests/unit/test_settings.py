from __future__ import annotations

import pytest

from provisioning.errors import ConfigurationError
from provisioning.settings import Settings

SECONDS = (
    *("BACKOFF_BASE", "BACKOFF_CAP", "BACKOFF_BUDGET", "BACKOFF_FACTOR", "RETRY_AFTER_CAP", "LEASE"),
    *("CONNECT_TIMEOUT", "WRITE_TIMEOUT", "READ_TIMEOUT"),
)


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", ["inf", "Infinity", "1e999", "nan", "-inf"])
def test_a_time_without_an_end_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^PROVISION_{name}: ") as caught:
        Settings.from_env({f"PROVISION_{name}": value})
    assert "finite" in caught.value.message
