"""A run of a network that drops paths at random: `python -m` this DATA OUTPUT [stop | resume], in several processes.

Stopped, the last process alone gets Ctrl-C, in the sixth step.
"""

import os
import signal
import sys

import torch

from lag_zoo import LAG
from lag_zoo.data.sources import open_data
from lag_zoo.training import finetune, step
from tests.training.tiny import RECIPE


def main(data: str, output: str, how: str = "") -> None:
    torch.manual_seed(0)
    model = LAG(
        "mobilenetv3_small_050",
        label_names=["IM", "normal"],
        backbone_args={"drop_path_rate": 0.5},
        **RECIPE.fields,  # type: ignore[arg-type]
    )
    steps, take = 0, step.StageSteps._take

    def counted(*arguments):  # type: ignore[no-untyped-def]
        nonlocal steps
        steps += 1
        if how == "stop" and steps == 6 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGINT)
        return take(*arguments)

    step.StageSteps._take = counted  # type: ignore[method-assign]
    try:
        finetune(model, open_data(data), output, recipe=RECIPE, device="cpu", resume=how == "resume")
    except KeyboardInterrupt:
        print(f"stopped after step {steps}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
