"""The catalogue: every model that lag_zoo itself declares, as data."""

from lag_zoo.specs import ModelSpec

CATALOGUE: tuple[ModelSpec, ...] = ()
