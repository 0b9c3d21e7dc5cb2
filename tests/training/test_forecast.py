"""The forecast of a run's length changes nothing of the run, and costs little of it."""

import time
from pathlib import Path
from typing import Any

import pytest

from lag_zoo.data.manifest import Manifest
from lag_zoo.listener import Listener
from lag_zoo.training import finetune, forecast
from lag_zoo.training.forecast import Pace
from tests.listening import Heard
from tests.networks import equal
from tests.training.tiny import RECIPE


def trained(data: Manifest, folder: Path, listener: Listener, **changes: Any) -> Any:
    return finetune(None, data, folder, recipe=RECIPE, device="cpu", listener=listener, **changes)


def rows(heard: Heard) -> list[dict[str, Any]]:
    timed = ("seconds", "frames_per_second")
    return [{key: value for key, value in row.items() if key not in timed} for row in heard.rows]


@pytest.mark.parametrize("average", [0.0, 0.5])
def test_the_run_is_the_same_with_one(
    average: float, data: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, without = Heard(), Heard()
    plain = trained(data, tmp_path / "without", without, average=average)
    assert "time" not in without.facts[0], "so short a run is not worth a forecast"
    monkeypatch.setattr(forecast, "WORTH", 1e9)
    model = trained(data, tmp_path / "with", heard, average=average)
    assert heard.facts[0]["time"].startswith("about ")
    assert list(heard.facts[0]).index("time") < list(heard.facts[0]).index("output")
    assert rows(heard) == rows(without)
    assert equal(model, plain)


def test_of_what_nobody_hears_nothing_is_timed(
    data: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "WORTH", 1e9)
    monkeypatch.setattr(forecast, "_pace", lambda *anything: pytest.fail("timed"))
    trained(data, tmp_path / "run", Listener())
    with pytest.raises(pytest.fail.Exception):
        trained(data, tmp_path / "heard", Heard())


def test_it_counts_all_that_is_left(data: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """3 epochs of 4 steps and 2 validation batches, and 2 batches to calibrate on; of a resumed run what is left."""
    monkeypatch.setattr(forecast, "WORTH", 1e9)
    asked: list[str] = []

    def pace(model: Any, job: Any, stage: Any) -> Pace:
        asked.append(stage.name)
        return Pace(step=60.0 if stage.crops else 600.0, validation=6.0)

    monkeypatch.setattr(forecast, "_pace", pace)

    class Stopped(Heard):
        def epoch(self, row: Any) -> None:
            raise KeyboardInterrupt

    first, rest = Stopped(), Heard()
    with pytest.raises(KeyboardInterrupt):
        trained(data, tmp_path / "run", first)
    assert first.facts[0]["time"].startswith("about 49 min,")  # 4 x 600 s, 2 x 4 x 60 s, 4 x 2 x 6 s
    assert asked == ["backbone", "crops"]
    trained(data, tmp_path / "run", rest, resume=True)
    assert rest.facts[0]["time"].startswith("about 9 min,")
    assert asked[2:] == ["crops"]
    again = Heard()
    trained(data, tmp_path / "run", again, resume=True)
    assert "time" not in again.facts[0], "nothing is left"


def test_a_compiled_network_has_none(data: Manifest) -> None:
    class Job:
        recipe = RECIPE.changed({"compile": True, "epochs": 100_000})
        plan = ()

    assert forecast.forecast(None, Job()) is None  # type: ignore[arg-type]


@pytest.mark.slow
def test_it_is_near(data: Manifest, tmp_path: Path) -> None:
    """Within a factor of three: the machine has other work."""
    heard = Heard()
    begun = time.perf_counter()
    trained(data, tmp_path / "run", heard, fields={**RECIPE.fields, "global_size": 128}, epochs=60)
    took = time.perf_counter() - begun
    amount, unit = heard.facts[0]["time"].removeprefix("about ").partition(",")[0].split()
    said = float(amount) * {"s": 1, "min": 60}[unit]
    assert took / 3 < said < took * 3


def test_a_run_that_is_over_has_no_time_left(data: Manifest, tmp_path: Path) -> None:
    trained(data, tmp_path / "run", Heard())
    again = Heard()
    trained(data, tmp_path / "run", again, resume=True)
    assert "time" not in again.facts[0]
