"""Age and sex, as tables of patients write them, for subgroups of a report."""

import re

from lag_zoo.errors import DataError

BANDS = (40, 60)
"""Ages in years at which the next band begins."""

_OLDEST = 120
_CAPPED = re.compile(
    r"(?:>\s*89|(90)\s*\+|>=\s*90)"
)  # all that may be told of the oldest, HIPAA 164.514(b)(2)(i)(C)
_SEXES = {
    **dict.fromkeys(("f", "female", "w", "woman"), "f"),
    **dict.fromkeys(("m", "male", "man"), "m"),
    **dict.fromkeys(("o", "other", "x", "d", "diverse", "intersex"), "other"),
    **dict.fromkeys(("u", "unknown", "not known", "n/a", "na"), "unknown"),
}


def age_of(cell: object) -> str:
    """Read an age: years as a number, which may have a part ("63", "0.5"); empty where it is not known.

    "90+" and ">89", which stand for everybody older in data without names, are read as 90.

    Raises:
        DataError: no number from 0 to 120.

    >>> [age_of(cell) for cell in (63, "63.0", " 7.5 ", ">89", "")]
    ['63', '63', '7.5', '90', '']
    """
    text = str(cell).strip()
    if not text:
        return ""
    if _CAPPED.fullmatch(text):
        return "90"
    plain = re.fullmatch(r"\d{1,3}(\.\d*)?", text, re.ASCII) is not None
    if not plain or float(text) > _OLDEST:
        raise DataError(
            f"{text!r} is no age: a number of years, 0 to {_OLDEST}, or empty where it is not known"
        )
    return f"{float(text):.10g}"


def sex_of(cell: object) -> str:
    """Read a sex, in any case: "f", "m", "other" or "unknown"; empty stays empty.

    Numbers are refused, for some tables write 1 for men and others for women.

    Raises:
        DataError: another word.

    >>> [sex_of(cell) for cell in ("F", "Male", "diverse", "U", "")]
    ['f', 'm', 'other', 'unknown', '']
    """
    text = str(cell).strip()
    word = text.lower()
    if word and word not in _SEXES:
        raise DataError(
            f"{text!r} is none of f, m, other and unknown (female, male and the like are read too)"
        )
    return _SEXES.get(word, "")


def age_band(age: str | float, *, bands: tuple[int, ...] = BANDS) -> str:
    """The band of an age, in completed years; empty where the age is.

    Args:
        age: as `Frame.age` has it, or a number of years.
        bands: the ages at which the next band begins, rising.

    >>> [age_band(age) for age in ("39.9", 40, "59", "60", "")]
    ['<40', '40-59', '40-59', '>=60', '']
    """
    text = age_of(age)
    if not text:
        return ""
    above = sum(float(text) >= edge for edge in bands)
    if above == 0:
        return f"<{bands[0]}"
    return f">={bands[-1]}" if above == len(bands) else f"{bands[above - 1]}-{bands[above] - 1}"
