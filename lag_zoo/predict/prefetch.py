"""Reading ahead: while the network works on some frames, threads decode the next and make their views."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE = 0.1  # seconds after which a thread that waits looks whether anybody still wants it


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


def ahead(items: Iterable[T], *, depth: int) -> Generator[T]:
    """The items, in order, taken by a thread that is at most `depth` of them ahead: for what comes out one by one.

    What taking one raises is raised in its turn. Where the caller stops early, the thread stops at the next item.

    >>> list(ahead(iter("abc"), depth=2))
    ['a', 'b', 'c']
    """
    line: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: T | None, error: BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                line.put((item, error), timeout=_PATIENCE)
            except queue.Full:
                continue
            return True
        return False

    def take() -> None:
        error: BaseException = StopIteration()
        try:
            for item in items:
                if not put(item, None):
                    return
        except BaseException as raised:  # it is the caller's
            error = raised
        put(None, error)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        while True:
            item, error = line.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield cast(T, item)
    finally:
        stopped.set()
        thread.join()
