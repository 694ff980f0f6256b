"""When TWS is believed to have IBKR again."""

from __future__ import annotations

from gateway_ibkr.freeze import ASK_SECONDS_MAX, Freeze

LOST = "Connectivity between IBKR and Trader Workstation has been lost. (1100)."


def test_only_what_is_heard_after_the_last_word_of_loss_has_settled_disproves_it() -> None:
    freeze = Freeze()
    assert not freeze.is_disproved(1e9), "nothing is lost"
    freeze.lost(LOST, 100.0)
    assert not freeze.is_disproved(99.0)
    assert not freeze.is_disproved(102.9), "TWS had that in hand"
    assert freeze.is_disproved(103.0)
    freeze.lost(LOST, 102.0)
    assert not freeze.is_disproved(103.0), "it was said again"
    assert freeze.is_disproved(105.0)
    freeze.over()
    assert not freeze.is_disproved(200.0)


def test_questions_are_asked_soon_then_rarely_and_not_right_after_a_loss() -> None:
    freeze = Freeze()
    assert not freeze.may_ask(1e9)
    freeze.lost(LOST, 100.0)
    asked = [second for second in range(100, 400) if freeze.may_ask(float(second))]
    assert asked == [105, 121, 153, 213, 273, 333, 393]
    assert asked[-1] - asked[-2] == ASK_SECONDS_MAX
    freeze.lost(LOST, 451.0)
    assert not freeze.may_ask(453.0)
    assert freeze.may_ask(454.0), "a repeated loss does not put the questions off"


def test_each_loss_begins_with_its_own_questions() -> None:
    freeze = Freeze()
    freeze.lost(LOST, 100.0)
    assert freeze.may_ask(105.0)
    assert freeze.described() == f"{LOST} IBKR's servers were asked once since, in vain."
    freeze.over()
    assert freeze.described() == ""
    freeze.lost(LOST, 110.0)
    assert freeze.described() == LOST
    assert freeze.may_ask(115.0)
    assert freeze.asked_ever == 2, "so that the second question is another one"
