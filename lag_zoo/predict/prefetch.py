"""Reading ahead: while the network works on some frames, threads decode the next and make their views."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch(function: Callable[[T], R], items: Iterable[T], *, workers: int, depth: int) -> Iterator[R]:
    """`map`, in order, by `workers` threads that are at most `depth` items ahead; without workers as it is asked for.

    What the function raises is raised in its turn. Where the caller stops early, what has not begun is left out.

    >>> list(prefetch(str.upper, "abc", workers=2, depth=2))
    ['A', 'B', 'C']
    """
    rest = iter(items)
    first = list(islice(rest, 2))
    items = chain(first, rest)
    if (
        not workers or len(first) < 2
    ):  # one alone: a thread, and torch's own threads below it, cost more than they give
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
