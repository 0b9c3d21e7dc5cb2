"""The last layer of a network that tells grades: one score of a frame, and a bias of each grade.

Grades lie along one line, so one direction of the features tells them, and few frames of the higher grades suffice. The
shared weights are CORAL's (Cao, Mirjalili and Raschka, Pattern Recognition Letters 2020,
https://arxiv.org/abs/1901.07884), the conditional log odds CORN's, which are consistent whatever the biases are.
`python -m benchmarks.grades` measures both beside it.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GradeHead(nn.Module):
    """Features (..., `in_features`) -> scores (..., `out_features`): one linear score, with a bias of each grade.

    >>> GradeHead(8, 4)(torch.zeros(2, 8)).shape
    torch.Size([2, 4])
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(torch.empty(1, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # as torch's linear layer

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight) + self.bias
