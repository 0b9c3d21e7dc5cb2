"""Cells of a table as texts: one spelling of what looks the same, and the words that say that nothing is known."""

import re
import unicodedata

# Unicode's default-ignorable code points, but for the joiners: https://www.unicode.org/reports/tr44/
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_AT_THE_ENDS = "\u200c\u200d"  # joiners, which within a word may change how it is read
_NOTHING = {
    *("nan", "na", "n/a", "n.a.", "#n/a", "<na>", "null", "none", "nil"),
    *("unknown", "missing", "not available", "-", "--", "---", "?", "??", "."),
}


def plain_text(cell: str) -> str:
    """Bring a text to Unicode's composed form, without what cannot be seen: marks of width 0, and blanks around it.

    >>> plain_text("\ufeffP\u200b1\u00a0"), plain_text("Ja\u0308ger") == "J\u00e4ger"
    ('P1', True)
    """
    if cell.isascii():
        return cell.strip()
    return unicodedata.normalize("NFC", _UNSEEN.sub("", cell)).strip().strip(_AT_THE_ENDS).strip()


def says_nothing(cell: str) -> bool:
    """Tell whether a cell says in words that nothing is known; an empty one says it without.

    >>> [says_nothing(cell) for cell in ("NaN", "N/A", "?", "", "0", "P1")]
    [True, True, True, False, False, False]
    """
    return cell.casefold() in _NOTHING


def strange_letter(cell: str) -> str | None:
    """Return the first letter that no console and no page can show, by its name; `None`: there is none.

    Such are control characters and halves of letters; line ends are not, nor are tabs.

    >>> strange_letter("a\x1b[2J"), strange_letter("two\\nlines")
    ('U+001B', None)
    """
    for letter in cell:
        if unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\t\n\r":
            return f"U+{ord(letter):04X}"
    return None
