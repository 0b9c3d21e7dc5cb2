"""Figures of matplotlib on Agg's canvas, whatever window or notebook MPLBACKEND speaks of."""

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any, Literal

from lag_zoo.errors import extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BACKEND = "MPLBACKEND"


def new_figure(
    width: float, height: float, *, layout: Literal["constrained"] | None = "constrained"
) -> "Figure":
    """Make an empty figure of so many inches, apart from pyplot's; `layout` as in matplotlib.

    Raises:
        MissingExtraError: the extra `evaluate` is not installed.

    >>> new_figure(4, 2).get_size_inches().tolist()
    [4.0, 2.0]
    """
    _import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)  # takes its place in the figure
    return figure


def png(figure: "Figure", *, dpi: int) -> bytes:
    """Return the figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def vector(figure: "Figure", form: str) -> bytes:
    """Return the figure as the bytes of an SVG or PDF file; the same figure gives the same bytes.

    PDF holds its text as text, with the TrueType fonts inside, as journals ask for (Type 3 is what they refuse). SVG
    holds its letters as outlines, which look alike everywhere: text in SVG is set in whatever font a reader has.

    >>> figure = new_figure(4, 2)
    >>> vector(figure, "pdf")[:5], b"<svg" in vector(figure, "svg")
    (b'%PDF-', True)
    """
    import matplotlib

    buffer = io.BytesIO()
    embedded: Any = {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "lag_zoo"}
    with matplotlib.rc_context(embedded):
        figure.savefig(
            buffer, format=form, metadata={"Date": None} if form == "svg" else {"CreationDate": None}
        )
    return buffer.getvalue()


def _import_matplotlib() -> None:
    """Import it past a backend that a notebook has named and that is not installed here: it would refuse."""
    if "matplotlib" in sys.modules:
        return
    named = os.environ.pop(_BACKEND, None)
    try:
        with extra("evaluate"):
            import matplotlib
    finally:
        if named is not None:
            os.environ[_BACKEND] = named
    if named:  # whoever uses pyplot later finds what was asked for, if it is there
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = named
