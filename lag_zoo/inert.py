"""Texts of strangers, inert where they are shown: on terminals, in spreadsheets, in Markdown.

A file name may hold the sequence that clears a screen, a formula that a spreadsheet runs, or HTML. Whatever shows a
text that it did not write itself takes it through here.
"""

import re

_FORMULA = re.compile(r"'*(\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")


def printable(text: str) -> str:
    r"""Spell out what no terminal shows as a letter: control characters, marks of width 0, halves of letters.

    Line ends and tabs stay.

    >>> print(printable("a\x1b[2Jb\ud800\u202e"))
    a\x1b[2Jb\ud800\u202e
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in "\n\t\u00a0\u3000" else ascii(sign)[1:-1] for sign in text
    )


def in_a_line(text: str) -> str:
    r"""The same in one line: line ends are spelled out too.

    >>> print(in_a_line("a\nb"))
    a\nb
    """
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def spreadsheet_cell(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run as a formula; numbers stay. See `from_spreadsheet`.

    >>> [spreadsheet_cell(text) for text in ("=cmd()", "-0.5", "P1", "'=x")]
    ["'=cmd()", '-0.5', 'P1', "''=x"]
    """
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def from_spreadsheet(cell: str) -> str:
    """Give back the text that `spreadsheet_cell` was given.

    >>> from_spreadsheet("'=cmd()"), from_spreadsheet("'quoted'")
    ('=cmd()', "'quoted'")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def in_markdown(text: object) -> str:
    r"""Escape what Markdown would take for markup, a bar included, which would part a table's columns; in one line.

    >>> in_markdown("a|b <i> *c*")
    'a\\|b &lt;i> \\*c\\*'
    """
    return without_html(re.sub(r"([\\`*\[\]|])", r"\\\1", " ".join(printable(str(text)).split())))


def without_html(text: str) -> str:
    """Escape HTML in a text that may be Markdown, such as a description.

    >>> without_html("**bold** <script>")
    '**bold** &lt;script>'
    """
    return text.replace("<", "&lt;")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
