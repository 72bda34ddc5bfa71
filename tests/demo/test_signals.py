"""The demo can be ended where it may be left, and nowhere else."""

import signal
from collections.abc import Iterator

import pytest

from podd.demo.signals import Interrupted, Signals


@pytest.fixture(autouse=True)
def hang_ups_are_heard() -> Iterator[None]:
    """Also where the tests were started to go on after a hang-up."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_what_heeds_it(number: signal.Signals, code: int) -> None:
    with Signals() as signals, pytest.raises(Interrupted, match=number.name) as ended, signals.heeded():
        signal.raise_signal(number)

    assert ended.value.exit_code == code


def test_one_that_came_too_early_is_remembered() -> None:
    with Signals() as signals:
        signal.raise_signal(signal.SIGTERM)

        with pytest.raises(Interrupted), signals.heeded():
            pytest.fail("this is not reached")


def test_one_that_comes_while_python_tidies_up_ends_what_is_next(capfd: pytest.CaptureFixture[str]) -> None:
    class Untidy:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    with Signals() as signals:
        with signals.heeded():
            Untidy()

        with pytest.raises(Interrupted), signals.heeded():
            pytest.fail("this is not reached")

    assert capfd.readouterr().err == ""


def test_the_clean_up_is_not_interrupted() -> None:
    with Signals() as signals:
        with pytest.raises(Interrupted), signals.heeded():
            signal.raise_signal(signal.SIGINT)

        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)


def test_afterwards_signals_mean_what_they_meant() -> None:
    before = signal.getsignal(signal.SIGINT)

    with Signals():
        assert signal.getsignal(signal.SIGINT) != before

    assert signal.getsignal(signal.SIGINT) == before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals, signals.heeded():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
