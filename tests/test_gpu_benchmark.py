"""The benchmark for GPUs can be tried without one: every case runs, and answers are checked."""

import re

import torch

from benchmarks.gpu import report


def test_on_the_cpu() -> None:
    with torch.inference_mode():
        page = report(torch.device("cpu"), [2], ["resnet10t"], rounds=2)
    for numbers in ("fp32", "bf16"):
        assert f"## {numbers}" in page
    for case in ("LAG", "plain, from frames", "plain, ready"):
        assert page.count(f"| resnet10t | eager | 2 | {case} |") == 2
    full, half = map(float, re.findall(r"at most (\S+) apart", page))
    assert full < 1e-5 < half < 0.1
