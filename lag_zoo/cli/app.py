"""The application: which commands there are. Each has a file of its own and loads torch, if at all, when it runs."""

import io
import logging
import os
import sys
import warnings
from typing import Annotated

import typer

import lag_zoo
from lag_zoo.cli.cv_command import cv
from lag_zoo.cli.data_commands import data
from lag_zoo.cli.evaluate_command import evaluate
from lag_zoo.cli.export_command import export
from lag_zoo.cli.info_command import info
from lag_zoo.cli.list_command import list_
from lag_zoo.cli.predict_command import predict
from lag_zoo.cli.push_command import push
from lag_zoo.cli.recipes_command import recipes
from lag_zoo.cli.sink import complain, echo
from lag_zoo.cli.train_command import train
from lag_zoo.cli.typed import TypedCommand
from lag_zoo.cli.weights_commands import convert, download, verify
from lag_zoo.errors import LagZooError, LagZooWarning
from lag_zoo.files import is_full

app = typer.Typer(
    name="lag-zoo",
    help="Pretrained endoscopy models that look twice. For research and teaching; not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("list")(list_)
app.command("info")(info)
app.command("predict")(predict)
app.add_typer(data, name="data")
app.command()(recipes)
app.command()(train)
app.command()(cv)
app.command(cls=TypedCommand)(evaluate)
for _command in (export, verify, download, push, convert):
    app.command()(_command)


_TALKATIVE = ("accelerate", "httpx", "huggingface_hub", "matplotlib", "PIL", "timm", "torch")
"""Libraries whose remarks are for developers; a command says itself what its user has to know."""


def run() -> None:
    """Runs the application; what lag_zoo raises on purpose becomes its message on standard error and exit code 2.

    So does what the system refuses, such as a folder that cannot be written, or a full disk behind standard output; and
    lag_zoo's warnings are a line each. What other libraries remark is left out, unless Python is told to show it
    (`python -W default -m lag_zoo.cli`).
    """
    _spell_out_what_cannot_be_encoded()
    lag_zoo.keep_freed_memory()
    warnings.showwarning = _print_warning
    if not sys.warnoptions:
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
    try:
        try:
            app()
        except SystemExit:
            _flush()  # now, where it can still be told
            raise
    except LagZooError as error:
        complain(str(error))
        sys.exit(2)
    except BrokenPipeError:  # whoever read along has enough
        _drop_output()
        sys.exit(1)
    except OSError as error:
        if error.filename is None and not (is_full(error) and _output_is_full()):
            raise
        complain(_refusal(error.filename or "standard output", error))
        sys.exit(2)


def _refusal(name: str, error: OSError) -> str:
    if is_full(error):
        return f"{name} cannot be written: {error.strerror}. Make room, and say it again: what was there is whole"
    return f"{name}: {error.strerror}"


def _flush() -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.flush()


def _output_is_full() -> bool:
    """Tell whether standard output takes no more, not even the end of a line; what it holds is dropped then.

    What was not written does not tell: of a large text Python keeps nothing that it could try again.
    """
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        _drop_output()
        return True
    return False


def _drop_output() -> None:
    """Send what standard output still holds nowhere: Python would try it again at its end, and show a traceback."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _spell_out_what_cannot_be_encoded() -> None:
    """Lets a console that has no sign for a letter show its number: better than to lose all answers at the end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    if sys.warnoptions or issubclass(category, LagZooWarning):
        complain(f"warning: {message}")


def _print_version(wanted: bool) -> None:
    if wanted:
        echo(f"lag_zoo {lag_zoo.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Options that stand before any command."""
