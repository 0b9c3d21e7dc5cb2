"""A launcher's processes either know of each other, or are refused."""

import pytest

from lag_zoo.distributed import is_first, launched, on_cpu, processes, require_all
from lag_zoo.errors import InvalidConfigError


def test_alone_without_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    assert (launched(), is_first(), on_cpu(False), on_cpu(True)) == (1, True, False, True)
    assert processes()[:3] == (0, 1, None)


def test_processes_that_do_not_know_of_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    assert not is_first()
    require_all(4)
    with pytest.raises(InvalidConfigError, match="started 4 processes, and accelerate found 1"):
        require_all(1)
