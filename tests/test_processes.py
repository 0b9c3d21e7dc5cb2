"""A launcher's processes either know of each other, or are refused."""

import pytest

from lag_zoo.distributed import is_first, launched, on_cpu, processes, require_all
from lag_zoo.errors import InvalidConfigError

LAUNCHED = {
    "WORLD_SIZE": "4",
    "RANK": "3",
    "LOCAL_RANK": "3",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


def test_alone_without_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    assert (launched(), is_first(), on_cpu(False), on_cpu(True)) == (1, True, False, True)
    assert processes()[:3] == (0, 1, None)


def test_processes_that_do_not_know_of_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    assert (launched(), is_first()) == (4, False)
    require_all(4)
    with pytest.raises(InvalidConfigError, match="started 4 processes, and accelerate found 1"):
        require_all(1)


@pytest.mark.parametrize("size", ["4", "0", "-2", "two", "", "2.0"])
@pytest.mark.parametrize("rank", [None, "0", "3"])
def test_what_is_left_over_of_a_launcher_is_refused(
    size: str, rank: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be as if there were others: a part of the work only, or nothing written and nothing said."""
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", size)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    for ask in (launched, is_first, processes):
        with pytest.raises(InvalidConfigError, match=rf"WORLD_SIZE={size}, and .*not set.*unset WORLD_SIZE"):
            ask()


@pytest.mark.parametrize("size", [None, "1", " 1 "])
def test_whoever_is_alone_is_the_first(size: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "3")
    if size is not None:
        monkeypatch.setenv("WORLD_SIZE", size)
    assert (launched(), is_first(), processes().total) == (1, True, 1)
