"""Reading ahead: in order, no further than asked, and over when nobody listens any more."""

import threading
import time

import pytest

from lag_zoo.predict.prefetch import prefetch


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_in_order_whatever_takes_longer(workers: int) -> None:
    def slow(number: int) -> int:
        time.sleep(0.01 * (number % 3 == 0))
        return number

    assert list(prefetch(slow, range(20), workers=workers, depth=5)) == list(range(20))


def test_it_is_at_most_so_far_ahead() -> None:
    begun: list[int] = []
    found = prefetch(lambda number: begun.append(number), range(100), workers=2, depth=4)
    for taken in range(10):
        next(found)
        assert len(begun) <= taken + 4
    found.close()  # type: ignore[attr-defined]
    assert len(begun) <= 14


def test_an_error_comes_in_its_turn() -> None:
    found = prefetch(lambda number: 1 // number, [1, 2, 0, 3], workers=2, depth=4)
    assert [next(found), next(found)] == [1, 0]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_one_alone_needs_no_thread() -> None:
    (thread,) = prefetch(lambda _: threading.current_thread(), ["one"], workers=2, depth=4)
    assert thread is threading.main_thread()


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    found = prefetch(str, range(100), workers=3, depth=6)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
