"""What is asked of the catalogue costs no heavy import."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "code",
    [
        "import lag_zoo",
        "import lag_zoo; dir(lag_zoo); lag_zoo.__version__",
        "import lag_zoo; assert lag_zoo.list_models()",
        "import lag_zoo; assert lag_zoo.list_models(pretrained=True)",
        "import lag_zoo; lag_zoo.model_info('lag_resnet50_lci').label_names",
        "import lag_zoo; lag_zoo.reported_results()",
        "import lag_zoo.cli",
    ],
)
def test_loads_no_torch_timm_or_torchvision(code: str) -> None:
    report = "import sys; print(*sorted({'torch', 'timm', 'torchvision'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("code", "missing", "named"),
    [
        ("import lag_zoo.evaluate", "scipy", "evaluate"),
        ("import lag_zoo.evaluate", "sklearn", "evaluate"),
        ("import lag_zoo.training; lag_zoo.training.load_recipe('finetune')", "yaml", "train"),
        ("import lag_zoo; lag_zoo.finetune(None, 'x.csv', 'y')", "accelerate", "train"),
    ],
)
def test_a_missing_extra_is_named(code: str, missing: str, named: str) -> None:
    absent = f"import sys; sys.modules[{missing!r}] = None\n"
    done = subprocess.run([sys.executable, "-c", absent + code], capture_output=True, text=True, check=False)
    assert f'MissingExtraError: {missing} is not installed: pip install "lag_zoo[{named}]"' in done.stderr
