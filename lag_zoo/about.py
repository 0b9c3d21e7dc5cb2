"""Facts about weights that only those who trained them know: said in Python, in a file, or by options of a command."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import DatasetRef, Doubts, Measurement, Spec, WeightSpec
from lag_zoo.yaml_text import read_yaml, write_yaml

_TEMPLATE = {
    "licence": "The licence of the weights, by its SPDX name: CC-BY-4.0, CC-BY-NC-4.0, Apache-2.0, ...",
    "training_data": """The data sets that they were trained on. The same data have the same id everywhere: small
letters, digits, "-". So:
- id: our-hospital-2026
  citation: 2310 frames of 410 patients, Our Hospital
  licence: ethics approval 2026-17""",
    "intended_use": "One paragraph: which question, of which frames, for whom.",
    "limits": """A sentence each: few centres, few scopes, what was left out. So:
- One centre and one scope.""",
    "modality": "The light that the frames were taken with: wli, lci, bli, nbi.",
    "backbone_licence": "The licence of the weights that the backbone began from; empty: it began from none.",
}
"""The keys of a file, in its order, and what is said there of each."""


@dataclass(frozen=True, kw_only=True)
class About(Spec):
    """Facts that only those who trained a network know; fields as in `WeightSpec`. One that is empty says nothing.

    >>> About.from_dict({"licence": "CC-BY-4.0", "limits": ["One centre."]}).said
    {'licence': 'CC-BY-4.0', 'limits': ('One centre.',)}
    >>> About.from_dict({"license": "CC-BY-4.0"})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lag_zoo.errors.InvalidConfigError: About: unknown fields ['license']. Did you mean licence? ...
    """

    training_data: tuple[DatasetRef, ...] = ()
    licence: str = ""
    backbone_licence: str = ""
    modality: str = ""
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    results: tuple[Measurement, ...] = ()
    operating_points: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    doubts: Doubts | None = None

    def __post_init__(self) -> None:
        self._hold_types()

    @classmethod
    def of(cls, weights: WeightSpec) -> Self:
        """Return all that is said of weights already."""
        return cls(**{f.name: getattr(weights, f.name) for f in dataclasses.fields(cls)})

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file whose keys are the fields; a key without a value says nothing.

        Raises:
            InvalidConfigError: no such file, no YAML, an unknown key (with near matches), or a value that cannot be.
            MissingExtraError: the extra `train` is not installed.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfigError(f"{path} cannot be read: {error}") from error
        data = read_yaml(text, where=str(path))
        if not isinstance(data, dict):
            raise InvalidConfigError(f"{path}: keys such as `licence: CC-BY-4.0` are expected, got {data!r}")
        silent = cls().to_dict()
        named = {str(key): silent.get(str(key)) if value is None else value for key, value in data.items()}
        try:
            return cls.from_dict(named)
        except InvalidConfigError as error:
            raise InvalidConfigError(f"{path}: {error}") from error

    def to_yaml(self) -> str:
        """Return a file for `from_yaml` to fill in: the words of people, each key with a comment.

        Results and operating points are measured, and not in it.

        Raises:
            MissingExtraError: the extra `train` is not installed.
        """
        told = self.to_dict()
        return "\n".join(
            f"{_commented(said)}{write_yaml({key: told[key]})}" for key, said in _TEMPLATE.items()
        )

    @property
    def said(self) -> dict[str, Any]:
        """The fields that say something, by name."""
        silent = type(self)()
        return {name: value for name, value in vars(self).items() if value != getattr(silent, name)}

    def over(self, other: "About") -> "About":
        """Return these facts, and those of another about which these say nothing."""
        return dataclasses.replace(other, **self.said)

    def onto(self, weights: WeightSpec) -> WeightSpec:
        """Return a specification with these facts in place of its own; of what these say nothing stays as it is.

        Operating points and temperature are replaced together: the ones are probabilities at the other.

        Raises:
            InvalidConfigError: an operating point of no label.
        """
        said, together = self.said, ("operating_points", "temperature")
        if not said.keys().isdisjoint(together):
            said |= {name: getattr(self, name) for name in together}
        return dataclasses.replace(weights, **said)


def _commented(text: str) -> str:
    return "".join(f"# {line}\n" for line in text.splitlines())
