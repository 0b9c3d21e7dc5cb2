"""What tests of reports may ask for."""

import pytest


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without curves and no files of figures, which take much longer to draw than everything else."""
    monkeypatch.setattr("lag_zoo.evaluate.pages._pictures", lambda report: {})
    monkeypatch.setattr("lag_zoo.evaluate.saving._figures", lambda *_: None)
