"""An outage is told from rows that fail."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.flow.failure_detector import (
    FAILURES,
    LONGEST_PAUSE,
    MOST_PROBES,
    PROBES,
    SHORTEST_PAUSE,
    FailureDetector,
    Suspicion,
)


def see(
    detector: FailureDetector, *, alive: bool, fresh: bool = True, sent_at: float = 0.0, now: float = 0.0
) -> None:
    detector.see(alive=alive, fresh=fresh, sent_at=sent_at, now=now, cause="" if alive else "http_503")


def suspecting(now: float = 0.0) -> FailureDetector:
    detector = FailureDetector()
    for _ in range(FAILURES):
        see(detector, alive=False, sent_at=now, now=now)
    return detector


def is_certain(detector: FailureDetector) -> bool:
    return detector.suspicion is Suspicion.CERTAIN


def test_fresh_rows_that_fail_one_after_the_other_are_a_suspicion() -> None:
    detector = FailureDetector()
    for _ in range(FAILURES - 1):
        see(detector, alive=False)
    assert not detector.suspicion_stands
    see(detector, alive=False)
    assert detector.suspicion is Suspicion.SUSPECTED


def test_known_failures_that_fail_again_are_no_evidence() -> None:
    detector = FailureDetector()
    for _ in range(1000):
        see(detector, alive=False, fresh=False)
    assert not detector.suspicion_stands


def test_one_good_answer_ends_the_suspicion() -> None:
    detector = suspecting()
    see(detector, alive=True, fresh=False)
    assert not detector.suspicion_stands


def test_an_answer_to_what_was_sent_before_the_first_failure_proves_nothing() -> None:
    detector = suspecting(now=10.0)
    see(detector, alive=True, sent_at=9.9, now=14.0)
    assert detector.suspicion_stands
    see(detector, alive=True, sent_at=10.0, now=14.0)
    assert not detector.suspicion_stands


def test_a_good_answer_now_and_then_makes_up_for_a_few_failures() -> None:
    detector = FailureDetector()
    for _ in range(100):
        for _ in range(5):
            see(detector, alive=False)
        see(detector, alive=True)
        assert not detector.suspicion_stands


def test_probes_go_at_once_then_after_pauses_that_grow_with_the_outage() -> None:
    detector, now, pauses = suspecting(), 0.0, []
    while now < 1000:
        assert detector.probes_due(now) == PROBES
        detector.probes_sent(PROBES, now)
        assert detector.probes_due(now) == 0
        for _ in range(PROBES):
            detector.probe_ended(failed=True)
        pauses.append(detector.next_probe - now)
        now = detector.next_probe
    assert pauses[0] == SHORTEST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


def test_an_outage_is_certain_once_a_probe_has_failed() -> None:
    detector = suspecting()
    detector.probes_sent(2, 0.0)
    detector.probe_ended(failed=False)  # held by a pause: it was not sent
    assert not is_certain(detector)
    detector.probe_ended(failed=True)
    assert is_certain(detector)


def test_an_api_that_hangs_gets_no_more_than_a_few_probes() -> None:
    detector, sent, now = suspecting(), 0, 0.0
    while now < 3600:
        due = detector.probes_due(now)
        sent += due
        detector.probes_sent(due, now)
        now = detector.next_probe
    assert sent == MOST_PROBES


def test_where_no_fresh_row_is_left_to_ask_the_others_go_on() -> None:
    detector = suspecting()
    detector.nobody_to_ask()
    assert not detector.suspicion_stands
    see(detector, alive=False, fresh=False)
    assert not detector.suspicion_stands


STEPS = st.lists(
    st.tuples(st.sampled_from(["alive", "failed", "again", "probes", "ended", "nobody"]), st.floats(0, 5))
)


@given(STEPS)
def test_whatever_comes_probes_are_due_only_under_suspicion_and_never_too_many(
    steps: list[tuple[str, float]],
) -> None:
    detector, now = FailureDetector(), 0.0
    for step, seconds in steps:
        now += seconds
        if step == "probes":
            detector.probes_sent(detector.probes_due(now), now)
        elif step == "ended" and detector.probes_out:
            detector.probe_ended(failed=True)
        elif step == "nobody":
            detector.nobody_to_ask()
        elif step in ("alive", "failed", "again"):
            see(detector, alive=step == "alive", fresh=step != "again", sent_at=now, now=now)
        assert 0 <= detector.probes_out <= MOST_PROBES
        assert not detector.probes_due(now) or detector.suspicion_stands
        if step == "alive":
            assert not detector.suspicion_stands
