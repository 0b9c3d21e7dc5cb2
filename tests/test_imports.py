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
        "import lag_zoo; lag_zoo.scores.eggim_distribution({'incisura': (0.2, 0.3, 0.5)})",
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


EXTRAS = [
    ("import lag_zoo.evaluate", "scipy", "evaluate"),
    ("import lag_zoo.evaluate", "sklearn", "evaluate"),
    ("import lag_zoo.training; lag_zoo.training.load_recipe('finetune')", "yaml", "train"),
    ("import lag_zoo; lag_zoo.finetune(None, 'x.csv', 'y')", "accelerate", "train"),
]

WITHOUT = f"""
import sys
import torchvision, timm  # they take seconds, once for all
for code, missing, _ in {EXTRAS}:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lag_zoo", missing)]:
        del sys.modules[name]
    sys.modules[missing] = None
    try:
        exec(code)
    except ImportError as error:
        print(type(error).__name__, error, sep=": ")
    del sys.modules[missing]
"""


def test_a_missing_extra_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f'MissingExtraError: {missing} is not installed: pip install "lag_zoo[{named}]"'
        for _, missing, named in EXTRAS
    ]
