"""What tests of reports may ask for."""

import pytest


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without curves, which take much longer to draw than everything else."""
    monkeypatch.setattr("lag_zoo.evaluate.pages._pictures", lambda row: "")
