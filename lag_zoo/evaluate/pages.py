"""A report as pages to read: Markdown, and one HTML file that holds its pictures and needs nothing else."""

import base64
import re
from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from lag_zoo.catalogue import NOT_A_MEDICAL_DEVICE
from lag_zoo.evaluate.figure import vector
from lag_zoo.evaluate.figures import CONFUSION, figures
from lag_zoo.evaluate.mistakes import Mistake
from lag_zoo.evaluate.report import Report
from lag_zoo.evaluate.results import METRICS
from lag_zoo.evaluate.sections import sections
from lag_zoo.evaluate.summary import UNITS
from lag_zoo.evaluate.tables import Cell, number, of_groups
from lag_zoo.inert import in_markdown


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    page = _environment().get_template("report.md").render(**_context(report))
    return re.sub(r"\n{3,}", "\n\n", page).strip() + "\n"


def html(
    report: Report,
    *,
    mistakes: Sequence[Mistake] | None = None,
    pictures: Mapping[str, bytes] | None = None,
) -> str:
    """Return the report as one HTML file, its pictures inside.

    Args:
        report: to be shown.
        mistakes: the worst ones, which end the page: it then holds parts of frames.
        pictures: its figures by name, as SVG; `None`: they are drawn.
    """
    drawn = _pictures(report) if pictures is None else pictures
    encoded = {name: base64.b64encode(picture).decode("ascii") for name, picture in drawn.items()}
    return (
        _environment(escape=True)
        .get_template("report.html")
        .render(
            **_context(report),
            pictures=encoded,
            curves=[name for name in encoded if name != CONFUSION],
            long_titles={metric.title: metric.name for metric in METRICS},
            number=number,
            mistakes=mistakes,
        )
    )


def _context(report: Report) -> dict[str, object]:
    unit, flow = UNITS[report.level][1], report.flow
    return {
        "report": report,
        "not_a_device": NOT_A_MEDICAL_DEVICE,
        "unit": f"{unit} by {report.pooling}" if report.pooling else unit,
        "found": f"{flow.found} {of_groups(report, flow.found_groups, flow.found)}".rstrip(),
        "excluded": flow.excluded,
        "unpredicted": max(0, flow.found - flow.excluded - len(flow.unreadable) - report.analysed),
        "analysed": f"{report.analysed} {of_groups(report, report.analysed_groups, report.analysed)}".rstrip(),
        "sections": list(sections(report)),
    }


def _environment(*, escape: bool = False) -> Environment:
    environment = Environment(
        loader=PackageLoader("lag_zoo.evaluate", "templates"),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(md=in_markdown, md_cell=_cell_in_markdown)
    return environment


def _cell_in_markdown(cell: Cell) -> str:
    rest = [f"({in_markdown(cell.rule)})"] if cell.rule else []
    rest += [f"**{in_markdown(cell.remark)}**"] if cell.remark else []
    return " ".join([in_markdown(cell.text), *([in_markdown(cell.more)] if cell.more else []), *rest])


def _pictures(report: Report) -> dict[str, bytes]:
    """The figures as SVG, by name."""
    return {name: vector(figure, "svg") for name, figure in figures(report)}
