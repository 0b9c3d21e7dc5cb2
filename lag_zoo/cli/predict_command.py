"""`lag-zoo predict PATH...`: what a model says of the frames in files and folders."""

import sys
from collections import Counter, deque
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.text import Text

from lag_zoo.catalogue import NOT_A_MEDICAL_DEVICE
from lag_zoo.catalogue.polyp import NAME as BUILT_IN
from lag_zoo.cli.data_commands import Columns
from lag_zoo.cli.exam_predict import Asked, By, ExamAnswers, require_level, write_exams
from lag_zoo.cli.places import as_place
from lag_zoo.cli.prediction_table import (
    BULKY,
    CsvLines,
    as_table,
    in_words,
    label_of,
    write_csv,
    write_json,
    write_jsonl,
    write_parquet,
)
from lag_zoo.cli.screen import Quiet, Screen
from lag_zoo.cli.sink import PlainConsole, complain, console
from lag_zoo.cli.tables import DeviceOption, plain_table
from lag_zoo.cli.video_command import Cut, Wanted, answer_moments, conclude, survey_video, the_video
from lag_zoo.distributed import is_first, processes
from lag_zoo.errors import DataError, extra
from lag_zoo.inert import in_a_line

if TYPE_CHECKING:
    from lag_zoo.cli.album import Album
    from lag_zoo.predict import Failure, Prediction, Predictor
    from lag_zoo.predict.resumable import ResumableOutput, Rows

_WIDE = 200


class Format(StrEnum):
    """The form of the output."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Precision(StrEnum):
    """Of weights and features."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


def predict(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Image files, or folders, which are walked; or one video; with --by a list of frames."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(help="A name whose weights exist, a folder such as runs/1/best, or hf-hub:org/repo."),
    ] = BUILT_IN,
    tta: Annotated[
        int, typer.Option(min=0, help="Look so often, each time with crops at random: mean and spread.")
    ] = 0,
    format: Annotated[
        Format | None,
        typer.Option(help="How the answers are written; by default as the output's name ends, else a table."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", dir_okay=False, help="Write them to this file, not to standard output."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an output that was stopped; or begin it.")
    ] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="A folder for one picture a frame: the field, the crops, the answer."
        ),
    ] = None,
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Give the evidence for this label over the frame, in the pictures and in JSON; may be repeated.",
        ),
    ] = None,
    every: Annotated[
        float | None, typer.Option(min=0.001, help="Of a video: seconds from frame to frame; by default 0.2.")
    ] = None,
    start: Annotated[float | None, typer.Option(min=0, help="Of a video: from this second on.")] = None,
    end: Annotated[float | None, typer.Option(min=0, help="Of a video: up to this second.")] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Of a video: a picture (PNG) of probabilities over time."),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Of a video: a CSV file of runs at or above the operating point."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Of a video: a CSV file (start,end,label; seconds) to hold events against."
        ),
    ] = None,
    smooth: Annotated[
        float | None,
        typer.Option(min=0, help="Of a video: seconds of the centred running median; by default 1."),
    ] = None,
    at_least: Annotated[
        float | None,
        typer.Option(min=0, help="Of a video: seconds that an event lasts at least; by default 1."),
    ] = None,
    by: Annotated[
        By | None,
        typer.Option(
            help="Of a list of frames (.csv, .parquet): one answer for each patient, or examination."
        ),
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(
            help="Of --by: maximum (the default), mean, top3 or another number, noisy-or; head (lag-zoo train exam)."
        ),
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option(help="Of --by: a site that each should have frames of; may be repeated."),
    ] = None,
    column: Columns = None,
    device: DeviceOption = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Views that pass the network at once.")] = 8,
    precision: Annotated[Precision, typer.Option(help="fp16 is for GPUs.")] = Precision.FP32,
    compile: Annotated[
        bool, typer.Option("--compile", help="By torch.compile: for thousands of frames.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Threads that read ahead; by default one a core, at most 4.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Answer on frames: TIFF, JPEG, PNG, BMP, WebP, DICOM; or a video. For research and teaching; not a medical device.

    A file that cannot be read, or a picture that cannot be written, is reported, and the rest are done; the exit code
    is then 1. Without any image it is 2.

    Answers that go to a file are kept in OUTPUT.parts until all are there.

    Under `accelerate launch --multi_gpu -m lag_zoo.cli predict` the processes share the frames, on CPUs too.
    """
    format = _format(format, output)
    _require_possible(tta, format, output, resume)
    asked = Asked(by, pooling, site or (), column or ())
    asked.require_possible(paths)
    if evidence and pictures is None and (by is not None or format not in (Format.JSON, Format.JSONL)):
        raise typer.BadParameter(
            "maps go into pictures (--pictures) or JSON (--format json or jsonl)", param_hint="--evidence"
        )
    screen = Screen(quiet=quiet or not is_first())
    with screen.task("starting"):
        from lag_zoo.cli.album import Album
        from lag_zoo.predict import Predictor
        from lag_zoo.predict.resumable import ResumableOutput, survey
    of_video = (every, start, end, timeline, events, truth, smooth, at_least)
    video = the_video(paths, asked=any(option is not None for option in of_video))
    cut = Cut.of(every, start, end)
    listed = None if by is None else asked.read(paths[0])
    if listed is not None:
        paths = listed.paths()
    left_out: Counter[str] = Counter()
    with screen.task("looking for images"):
        found = survey(paths, left_out) if video is None else survey_video(video, cut)
    count = int(str(found["images"]))
    if not count:
        raise DataError(_no_image(left_out))
    others = processes(cpu=device == "cpu")
    if video is not None and (others.total > 1 or pictures is not None):
        option = "--pictures" if others.total == 1 else "several processes"
        raise typer.BadParameter("is for images, and this is a video", param_hint=option)
    if others.total > 1 and output is None:
        raise typer.BadParameter("several processes need a file to write to: --output")
    if by is not None and others.total > 1:
        raise typer.BadParameter("one process answers for whole patients", param_hint="--by")
    with screen.task("loading the model"):
        network = as_place(model) if by is None else asked.model(model)
        if by is not None and not isinstance(network, str):
            require_level(network, by)
        predictor = Predictor(
            network,
            fuse=True,
            device=others.device or device,
            batch_size=batch_size,
            compile=compile,
            precision=precision.value,
            workers=workers,
            evidence=evidence or False,
        )
    what = f"{count}" if video is None else f"a video: at most {count} moments, one every {cut.every:g} s"
    screen.begin(_facts(predictor, what, left_out, output))
    if video is not None:
        wanted = Wanted.of(timeline, events, truth, smooth, at_least)
        _predict_video(predictor, video, cut, tta, wanted, screen, format, output, resume, found)
        return
    album = None if pictures is None else Album(pictures)
    if listed is not None:
        exams = asked.exams(listed, predictor, head=not isinstance(network, str))
        answering = ExamAnswers(predictor, exams, paths, tta, screen)
        _predict_exams(answering, album, format, output, resume, {**_about(predictor), "tta": tta, **found})
        return
    answers = _Answers(screen, album)
    if output is None:
        answers.to_screen(predictor, paths, tta, format, count)
    else:
        parts = ResumableOutput(output, {**_about(predictor), "tta": tta, **found})
        if others.number == 0:
            if resume and not parts.folder.is_dir():
                screen.say(f"{parts.folder} is not there: nothing to resume, all is answered anew")
            parts.begin(resume=resume)
        others.wait()
        answers.to_parts(parts, predictor, paths, tta, share=(others.number, others.total))
        others.wait()
        if others.number:
            return  # the first writes what all have found
        called = _finish(parts, predictor, format, output)
        answers.failed = called[""]
        if not quiet:
            _summarise(called, output)
    if album is not None:
        (complain if album.missing else screen.say)(album.summary())
    if answers.failed:
        complain(f"{answers.failed} of {count} files failed")
    if answers.failed or (album is not None and album.missing):
        raise typer.Exit(1)


def _predict_exams(
    answers: ExamAnswers,
    album: "Album | None",
    format: Format,
    output: Path | None,
    resume: bool,
    about: dict[str, Any],
) -> None:
    """Answer for patients or examinations, whole or not at all where there is a file."""
    from lag_zoo.errors import PredictionError
    from lag_zoo.files import write_whole
    from lag_zoo.predict.resumable import ResumableOutput

    exams, screen = answers.exams, answers.screen
    if exams.rule.operating_points and exams.rule.pooling == "head":
        screen.say(f"called by the head: {in_words(exams.rule.operating_points)}")
    if output is None:
        kept: list[dict[str, Any]] = []

        def keeping() -> Iterator[dict[str, Any]]:
            for row in answers.rows():
                kept.append(row)
                yield row

        called = write_exams(keeping(), exams, format, None)
        failed, rows = answers.failed, kept
    else:
        parts = ResumableOutput(output, {**about, "by": exams.by, "pooling": exams.rule.pooling})
        parts.begin(resume=resume)
        of_all = answers.into(parts)
        counts: list[Counter[str]] = []
        try:
            write_whole(output, lambda scratch: counts.append(write_exams(of_all, exams, format, scratch)))
        except OSError as error:
            raise PredictionError(
                f"{output} cannot be written: {error.strerror or error}. All answers are kept in {parts.folder}: "
                "make room, and go on (--resume)"
            ) from error
        called, rows = counts[0], list(of_all) if album is not None else []
        failed = sum("error" in row for row in parts.rows())
        if not screen.quiet:
            _summarise(called, output, what=f"{exams.by}s")
    if album is not None:
        answers.draw(rows, album)
        screen.say(album.summary())
    if output is not None:
        parts.remove()
    if failed or called[""]:
        complain(f"{failed} of {len(answers.paths)} frames failed")
        raise typer.Exit(1)


def _predict_video(
    predictor: "Predictor",
    video: Path,
    cut: Cut,
    tta: int,
    wanted: Wanted,
    screen: Screen,
    format: Format,
    output: Path | None,
    resume: bool,
    found: dict[str, Any],
) -> None:
    from lag_zoo.predict.resumable import ResumableOutput

    truth = wanted.require_possible(predictor.label_names)
    parts = None
    if output is not None:
        parts = ResumableOutput(output, {**_about(predictor), "tta": tta, **found})
        parts.begin(resume=resume)
    rows = list(answer_moments(predictor, video, cut, tta, screen=screen, parts=parts))
    if any("error" not in row for row in rows):
        lines = conclude(rows, predictor, cut, wanted, truth, video.name)
    else:
        lines = ["no moment of the video was answered"]
    if parts is None or output is None:
        _to_screen(rows, predictor, format, spread=tta > 1)
    else:
        parts.count = len(rows)
        called = _finish(parts, predictor, format, output)
        if not screen.quiet:
            _summarise(called, output)
    for line in lines:
        screen.say(line)
    if failed := sum("error" in row for row in rows):
        complain(f"{failed} stretches of {video} have no answer")
        raise typer.Exit(1)


def _to_screen(rows: list[dict[str, Any]], predictor: "Predictor", format: Format, *, spread: bool) -> None:
    if format is Format.TABLE:
        console().print(as_table(rows, predictor.name, predictor.operating_points))
    elif format is Format.CSV:
        graded = any("expected_grade" in row for row in rows)
        lines = CsvLines(sys.stdout, predictor.label_names, spread=spread, graded=graded)
        for row in rows:
            lines.write(row)
    else:
        (write_jsonl if format is Format.JSONL else write_json)(rows, sys.stdout)


def _no_image(left_out: Counter[str]) -> str:
    from lag_zoo.data.images import describe_left_out

    said = describe_left_out(left_out)
    kinds = "no TIFF, JPEG, PNG, BMP, WebP or DICOM (.dcm) in these folders"
    return f"no image found: {kinds}{f' ({said})' if said else ''}"


def _require_possible(tta: int, format: Format, output: Path | None, resume: bool) -> None:
    """Refuses now what could not be written after all is answered."""
    if tta == 1:
        raise typer.BadParameter("one look has no spread: 0, or at least 2", param_hint="--tta")
    if output is not None and not output.parent.is_dir():
        raise typer.BadParameter(f"{output.parent} is no folder", param_hint="--output")
    if output is None and (resume or format is Format.PARQUET):
        hint = "--resume" if resume else "--format"
        raise typer.BadParameter("needs a file to write to: --output", param_hint=hint)
    if format is Format.PARQUET:
        with extra("data"):
            import pyarrow  # noqa: F401


def _facts(
    predictor: "Predictor", images: str, left_out: Counter[str], output: Path | None
) -> dict[str, str]:
    """The header: what is asked of which network, where."""
    from lag_zoo.data.images import count_kinds
    from lag_zoo.nn.devices import describe_device

    facts = {
        "model": f"{predictor.name}, labels {', '.join(predictor.label_names)}",
        "images": images,
        "device": describe_device(predictor.device),
    }
    if predictor.operating_points:
        facts["called"] = in_words(predictor.operating_points)
    weights = predictor.model.weight_spec
    if weights is not None and weights.limits and predictor.name.startswith(("local-dir:", "hf-hub:")):
        facts["limits"] = " ".join(weights.limits)
    if said := count_kinds(left_out):
        facts["left out"] = said
    if output is not None:
        facts["output"] = str(output)
    return {**facts, "note": NOT_A_MEDICAL_DEVICE}


def _format(asked: Format | None, output: Path | None) -> Format:
    ending = "" if output is None else output.suffix.removeprefix(".").lower()
    return asked or (Format(ending) if ending in set(Format) else Format.TABLE)


def _about(predictor: "Predictor") -> dict[str, Any]:
    """Everything besides the images that the predictions depend on."""
    weights = predictor.model.weight_spec
    return {
        "model": predictor.name,
        "weights": None if weights is None else dict(weights.files),
        "labels": list(predictor.label_names),
        "operating_points": dict(predictor.operating_points),
        "temperature": predictor.temperature,
        "batch_size": predictor.batch_size,
        "precision": predictor.precision,
        "compile": predictor.compile,
        "evidence": list(predictor.evidence),
    }


class _Answers:
    """The answers of a run on their way to standard output or into parts; drawn into an album where there is one."""

    def __init__(self, screen: Screen, album: "Album | None") -> None:
        self.screen, self.album = screen, album
        self.failed = 0

    def to_screen(
        self, predictor: "Predictor", paths: list[Path], tta: int, format: Format, count: int
    ) -> None:
        """Answers on standard output: as JSON lines and CSV as they come, else at the end."""
        from lag_zoo.tasks import rules_of

        rows = []
        graded = rules_of(predictor.model.config.task).ordered
        lines = CsvLines(sys.stdout, predictor.label_names, spread=tta > 1, graded=graded)
        with self.screen.task("frames", count) as advance:
            for number, answer in enumerate(predictor.iter(paths, tta)):
                row = self._row(number, answer)
                self.failed += "error" in row
                if format is Format.JSONL:
                    write_jsonl([row], sys.stdout)
                elif format is Format.CSV:
                    lines.write(row)
                else:
                    rows.append(row)
                advance(1)
        if format is Format.JSON:
            write_json(rows, sys.stdout)
        elif format is Format.TABLE:
            console().print(as_table(rows, predictor.name, predictor.operating_points))

    def to_parts(
        self,
        parts: "ResumableOutput",
        predictor: "Predictor",
        paths: list[Path],
        tta: int,
        *,
        share: tuple[int, int],
    ) -> None:
        """Answers what is still open of this process's share."""
        numbers: deque[int] = deque()

        def images() -> Iterator[Path]:
            for number, path in parts.wanted(paths, batch=predictor.images_a_batch(tta), share=share):
                numbers.append(number)
                yield path

        done = sum(parts.done())
        if done:
            self.screen.say(f"{done} of {parts.count} images are answered already")
        with self.screen.task("frames", None if share[1] > 1 else parts.count - done) as advance:
            for answer in predictor.iter(images(), tta):
                number = numbers.popleft()
                parts.write(number, self._row(number, answer))
                advance(1)

    def _row(self, number: int, answer: "Prediction | Failure") -> dict[str, Any]:
        """An answer as a row; a failure is said on standard error too, whoever listens."""
        row = {name: value for name, value in answer.to_dict().items() if name not in BULKY}
        if "error" in row:
            complain(f"{in_a_line(row['path'])}: {in_a_line(row['error'])}")
        elif self.album is not None:
            self.album.add(number, cast("Prediction", answer))
        return row


def _finish(parts: "ResumableOutput", predictor: "Predictor", format: Format, output: Path) -> Counter[str]:
    """Writes the output, whole or not at all; how many frames were called what, failures as an empty label."""
    from lag_zoo.errors import PredictionError
    from lag_zoo.files import write_whole

    try:
        write_whole(output, lambda scratch: _write(parts.rows(), predictor, format, scratch))
    except OSError as error:
        raise PredictionError(
            f"{output} cannot be written: {error.strerror or error}. All answers are kept in {parts.folder}: "
            "make room, and go on (--resume)"
        ) from error
    called = Counter("" if "error" in row else label_of(row) for row in parts.rows())
    if called.total() != parts.count:
        raise PredictionError(
            f"{output} has {called.total()} of {parts.count} answers: some in {parts.folder} were damaged meanwhile. "
            "The others are kept there: go on (--resume)"
        )
    parts.remove()
    return called


def _summarise(called: Counter[str], output: Path, *, what: str = "frames") -> None:
    """Shows how often each label was called, as a table on standard output."""
    table = plain_table()
    table.add_column("label", overflow="fold")
    table.add_column(what, justify="right")
    for label, count in called.most_common():
        table.add_row(Text(label or "could not be read"), str(count))
    out = console()
    out.print(table)
    out.print(f"written: {output}. {NOT_A_MEDICAL_DEVICE}")


def _write(rows: "Rows", predictor: "Predictor", format: Format, path: Path) -> None:
    if format is Format.PARQUET:
        write_parquet(rows, path)
        return
    with path.open("w", encoding="utf-8", newline="\n") as file:
        if format is Format.TABLE:
            table = as_table(list(rows), predictor.name, predictor.operating_points)
            PlainConsole(file=file, width=_WIDE).print(table)
        else:
            {Format.JSON: write_json, Format.JSONL: write_jsonl, Format.CSV: write_csv}[format](rows, file)
