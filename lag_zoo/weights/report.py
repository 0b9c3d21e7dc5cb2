"""The report of a load, so that nobody has to guess a network's weights."""

from dataclasses import dataclass
from pathlib import Path

from lag_zoo.brief import brief
from lag_zoo.specs import DatasetRef

_PUBLIC = ("hf-hub:", "the built-in ")


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """Source of a network's weights, and the fate of each tensor; `model.load_report` holds it.

    Attributes:
        source: as a person would name it: `the built-in ...`, `hf-hub:org/repo`, `local-dir:path`.
        path: the file that was read.
        revision: the commit of the Hub repository.
        sha256: of the file.
        loaded: the tensors taken as they are, or widened.
        resized: those brought to another size, as position embeddings are.
        missing: those of the network that the file did not give; they are untrained.
        unexpected: those of the file that the network has no place for.
        licences: of what was loaded, and of what that was made from; as far as they are stated.
        trained_on: the data sets behind it, as far as they are stated.
        initialised_from: the weights that it was made from, as far as they are stated.
        replaced_labels: the labels of the file's head, where the caller asked for others; else `None`.
    """

    source: str
    path: Path
    revision: str | None = None
    sha256: str
    loaded: tuple[str, ...]
    resized: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    trained_on: tuple[DatasetRef, ...] = ()
    initialised_from: tuple[str, ...] = ()
    replaced_labels: tuple[str, ...] | None = None

    __repr__ = brief

    @property
    def public_source(self) -> str:
        """The source as a card names it: of a file or a folder of this machine its name and its digest, and no path.

        >>> report = LoadReport(source="local-dir:/home/mueller/best", path=Path("x"), sha256="ab" * 32, loaded=())
        >>> report.public_source
        'best (SHA-256 abababababababab)'
        """
        if self.source.startswith(_PUBLIC):
            return self.source
        return f"{Path(self.source.removeprefix('local-dir:')).name} (SHA-256 {self.sha256[:16]})"

    def __str__(self) -> str:
        revision = f", revision {self.revision}" if self.revision else ""
        parts = [f"{len(self.loaded)} tensors of {self.source}{revision}, SHA-256 {self.sha256}"]
        for name in ("resized", "missing", "unexpected"):
            if keys := getattr(self, name):
                parts.append(f"{name}: {', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''}")
        if self.replaced_labels is not None:
            parts.append(f"the head for {', '.join(self.replaced_labels) or 'unnamed classes'} was left out")
        return "; ".join(parts)
