from __future__ import annotations

from sandbox import traffic
from sandbox.traffic import CLIENTS_KEPT, NOBODY, OTHERS, Traffic


def test_arrivals_are_counted_by_second_overall_and_per_client() -> None:
    seen = Traffic()
    for client, now in (("a", 10.1), ("b", 10.9), ("a", 11.0), (None, 11.5)):
        seen.arrived(client, now)
    assert seen.histogram() == {
        "overall": [[10, 2], [11, 2]],
        "clients": {"a": [[10, 1], [11, 1]], "b": [[10, 1]], NOBODY: [[11, 1]]},
    }
    assert seen.milliseconds()[0] == [10100.0, "a"]
    assert seen.posts == 4


def test_the_peak_remembers_what_the_gauge_forgets() -> None:
    seen = Traffic()
    seen.entered()
    seen.entered()
    seen.left()
    seen.entered()
    seen.left()
    seen.left()
    assert (seen.in_flight, seen.peak_in_flight) == (0, 2)


def test_made_up_client_ids_cannot_fill_the_memory() -> None:
    seen = Traffic()
    for n in range(CLIENTS_KEPT + 50):
        seen.arrived(f"c{n}", 10.0)
    assert len(seen.authorizations) == CLIENTS_KEPT + 1
    assert seen.authorizations[OTHERS] == 50


def test_raw_arrivals_are_a_ring() -> None:
    assert Traffic().raw.maxlen == traffic.RAW_ARRIVALS
