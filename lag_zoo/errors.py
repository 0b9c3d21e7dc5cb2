"""Everything that lag_zoo raises or warns of, in one tree.

Each error also inherits the built-in that a caller would guess, so `except ValueError` works where it is meant.

    LagZooError
    ├── UnknownModelError      (LookupError)        no such name; carries near matches
    ├── DuplicateModelError    (ValueError)         a name is registered twice
    ├── InvalidConfigError     (ValueError)         a specification or an argument that cannot be right
    ├── BackboneError          (ValueError)         a backbone that LAG cannot attach to
    ├── InvalidImageError      (ValueError)         pixels that are not an RGB image, or cannot become one
    ├── UnreadableImageError   (OSError)            a file that cannot be read as an image
    ├── DataError              (ValueError)         data that cannot be used as they are
    │   └── NearCopiesError                         near-copies in more than one split
    ├── TrainingError          (RuntimeError)       training that cannot go on
    ├── DownloadError          (OSError)            data that could not be fetched
    ├── PredictionError        (OSError)            predictions that cannot be written
    ├── StateError             (ValueError)         a file that lag_zoo wrote for itself is damaged
    ├── WeightsError
    │   ├── WeightsNotFoundError  (FileNotFoundError)  no weights where they were looked for
    │   ├── WeightsIntegrityError (ValueError)         bytes with another SHA-256 than stated
    │   └── WeightsMismatchError  (ValueError)         weights of another network
    ├── PublishError           (OSError)            the Hub did not take a repository
    ├── ExportError        (RuntimeError)       a network that cannot be exported, or answers otherwise when it is
    ├── ConformanceError       (AssertionError)     a model that breaks the zoo's conventions
    └── MissingExtraError      (ImportError)        an optional dependency is not installed

    LagZooWarning              (UserWarning)
    ├── FieldOfViewWarning                          no lit area in a frame
    ├── HubWarning                                  the Hub failed and a cached copy is used
    ├── UnusedColumnWarning                         a column of a manifest that is not read
    ├── MissingValueWarning                         a word such as "unknown" that is taken as missing
    ├── DoubtfulIdsWarning                          ids or labels that may be one, in two spellings
    ├── NearCopiesWarning                           near-copies in more than one split, which were allowed
    ├── UngroupedDataWarning                        frames without a patient or an examination
    ├── UnevenSplitWarning                          splits of other sizes than asked for
    └── PluginWarning                               a plugin that could not be loaded
"""

import contextlib
import difflib
from collections.abc import Iterable, Iterator


def did_you_mean(name: str, known: Iterable[str], *, count: int = 2) -> str:
    """The closest of the known names as a question with a space before it; empty where none is close.

    >>> did_you_mean("num_crop", ["num_crops", "fusion"])
    ' Did you mean num_crops?'
    """
    near = difflib.get_close_matches(name, sorted(known), n=count)
    return f" Did you mean {' or '.join(near)}?" if near else ""


class LagZooError(Exception):
    """The root of every error that lag_zoo raises on purpose."""


class UnknownModelError(LagZooError, LookupError):
    """A model name that is neither in the zoo nor an architecture; `near` holds the closest names."""

    def __init__(self, name: str, known: Iterable[str], *, hint: str = "") -> None:
        self.name = name
        known = sorted(known)
        self.near = difflib.get_close_matches(name, known, n=3)
        super().__init__(
            f"unknown model {name!r}.{did_you_mean(name, known, count=3)} "
            f"{hint or 'lag_zoo.list_models() lists every name.'}"
        )


class DuplicateModelError(LagZooError, ValueError):
    """A name that is already registered."""


class InvalidConfigError(LagZooError, ValueError):
    """A specification, field or argument that cannot be right."""


class BackboneError(LagZooError, ValueError):
    """A backbone that LAG cannot attach to; the message says why."""


class InvalidImageError(LagZooError, ValueError):
    """Pixels that are not an RGB image and cannot be brought to one."""


class UnreadableImageError(LagZooError, OSError):
    """A file that cannot be read as an image."""


class DataError(LagZooError, ValueError):
    """Data that cannot be used as they are: the message names the file, the line and the column."""


class NearCopiesError(DataError):
    """Near-copies in more than one split: what is measured on them is too good."""


class DownloadError(LagZooError, OSError):
    """Data that could not be fetched; the message says from where, why, and the ways on."""


class TrainingError(LagZooError, RuntimeError):
    """Training that cannot go on, for example after a loss of NaN; the folder of the run is whole."""


class PredictionError(LagZooError, OSError):
    """Predictions that cannot be written; those before are kept, and the message says where."""


class StateError(LagZooError, ValueError):
    """A file that lag_zoo wrote for itself, to go on from, and that is damaged; the message names it."""


class WeightsError(LagZooError):
    """The root of the errors about weights."""


class WeightsNotFoundError(WeightsError, FileNotFoundError):
    """No weights where they were looked for; `reason` names the places and why, the message also the ways on."""

    def __init__(self, reason: str, *, ways_on: str = "") -> None:
        self.reason = reason
        super().__init__(f"{reason}. Ways on: {ways_on}" if ways_on else reason)


class WeightsIntegrityError(WeightsError, ValueError):
    """A weights file with another SHA-256 than its specification states."""


class WeightsMismatchError(WeightsError, ValueError):
    """Weights of another network: the message shows the first keys that differ."""


class PublishError(LagZooError, OSError):
    """A repository that the Hub did not take; the message says why."""


class ExportError(LagZooError, RuntimeError):
    """A network that cannot be exported, or whose export answers otherwise; nothing was written."""


class ConformanceError(LagZooError, AssertionError):
    """A model that breaks a convention of the zoo (see `lag_zoo.testing`)."""


class MissingExtraError(LagZooError, ImportError):
    """An optional dependency that is not installed; the message names the extra to install."""


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Name the extra to install where an import inside this context is missing.

    >>> with extra("data"):
    ...     import no_such_module
    Traceback (most recent call last):
    lag_zoo.errors.MissingExtraError: no_such_module is not installed: pip install "lag_zoo[data]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        raise MissingExtraError(f'{missing} is not installed: pip install "lag_zoo[{name}]"') from error


class LagZooWarning(UserWarning):
    """The root of the warnings that lag_zoo gives."""


class FieldOfViewWarning(LagZooWarning):
    """A frame without a lit area."""


class HubWarning(LagZooWarning):
    """A cached copy in place of a download that the Hub did not finish."""


class UnusedColumnWarning(LagZooWarning):
    """A column of a manifest that is not read although its name resembles one that is."""


class NearCopiesWarning(LagZooWarning):
    """Near-copies in more than one split, which the caller allowed: what is measured on them is too good."""


class MissingValueWarning(LagZooWarning):
    """Words in a table that say that nothing is known, such as "nan" or "unknown", and are taken as missing."""


class DoubtfulIdsWarning(LagZooWarning):
    """Ids that may name one patient twice, or an examination of two patients."""


class UngroupedDataWarning(LagZooWarning):
    """Data without a patient or an examination column: frames of one patient may stand on both sides of a split."""


class UnevenSplitWarning(LagZooWarning):
    """Splits of other sizes than asked for, because groups stay whole."""


class PluginWarning(LagZooWarning):
    """A plugin that could not be loaded; it is named, and the rest of the zoo works."""
