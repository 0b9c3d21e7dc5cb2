"""Many frames, one answer: the head that reads an examination.

Frames of an examination are a set: any number of them, in any order, and most show nothing. The head starts from what
plain rules know, the highest and the mean log-odds of the frame network's labels. To that it adds what gated attention
finds, which weighs the frames and sums their features. Where frames are known to be of a site, such as the
antrum, the head is told so, and in training it is at times shown an examination without one of its sites, for in
practice sites are missing.

Source: Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018, https://arxiv.org/abs/1802.04712.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lag_zoo.errors import InvalidConfigError, InvalidImageError

_SUMMARIES = 3
_HIGHEST = 3
_CERTAIN = 10.0  # log-odds beyond which a frame is not believed

NO_SITE = -1
"""The site of a frame that nobody named."""


class ExamOutput(NamedTuple):
    """Logits (E, C) of examinations, and the weight of each of their frames (E, N), which sum to 1."""

    logits: Tensor
    weights: Tensor


class ExamHead(nn.Module):
    """Features of frames -> logits of their examinations, by gated attention.

    Args:
        in_features: of a frame.
        num_classes: logits of an examination.
        log_odds: how many of the features, the last ones, are log-odds of the frame network's labels; 0: none, and
            there is attention alone.
        width: features of a frame that are weighed and summed.
        attention_width: of the layer behind the weights.
        num_sites: sites that frames may be of; 0: the head knows none.
        site_dropout: in training, the probability with which the frames of a site are left out of an examination. One
            that would be left without frames keeps them all.

    Raises:
        InvalidConfigError: a width below 1, or a probability that is none.

    >>> head = ExamHead(in_features=16, num_classes=2).eval()
    >>> head(torch.randn(3, 5, 16)).logits.shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        log_odds: int = 0,
        width: int = 128,
        attention_width: int = 64,
        num_sites: int = 0,
        site_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if min(in_features, num_classes, width, attention_width) < 1 or min(num_sites, log_odds) < 0:
            raise InvalidConfigError(
                "in_features, num_classes, width and attention_width are at least 1, num_sites and log_odds at least "
                f"0; got {in_features}, {num_classes}, {width}, {attention_width}, {num_sites} and {log_odds}"
            )
        if log_odds > in_features:
            raise InvalidConfigError(f"{log_odds} of {in_features} features cannot be log-odds")
        if not 0 <= site_dropout < 1:
            raise InvalidConfigError(f"site_dropout is a probability below 1; got {site_dropout!r}")
        self.in_features, self.num_classes, self.num_sites = in_features, num_classes, num_sites
        self.site_dropout = site_dropout
        self.project = nn.Sequential(nn.Linear(in_features, width), nn.ReLU())
        # Added to the projected features, as positions are in transformers; the last row is that of no site.
        self.site = nn.Embedding(num_sites + 1, width) if num_sites else None
        self.value = nn.Linear(width, attention_width)
        self.gate = nn.Linear(width, attention_width)
        self.score = nn.Linear(attention_width, 1, bias=False)
        self.classifier = nn.Linear(width, num_classes)
        self.plain = nn.Linear(_SUMMARIES * log_odds, num_classes) if log_odds else None
        if self.plain is not None:
            nn.init.zeros_(self.classifier.weight)  # so that it begins with the plain rules
        if self.site is not None:
            nn.init.zeros_(self.site.weight)  # a site says nothing until that is learnt

    def forward(
        self, features: Tensor, present: Tensor | None = None, sites: Tensor | None = None
    ) -> ExamOutput:
        """Weigh the frames of examinations.

        Args:
            features: (E, N, in_features) of E examinations of up to N frames.
            present: (E, N) bool, which of the N are frames; the others are filling. `None`: all.
            sites: (E, N) int64, the number of each frame's site, -1 where nobody named it. `None`: nobody did.

        Raises:
            InvalidImageError: shapes that do not fit each other, a site that there is not, or an examination without
                frames.
        """
        present = self._held(features, present, sites)
        if sites is not None and self.training and self.site_dropout:
            present = self._without_some_sites(present, sites)
        # What fills up a batch may be anything, also NaN.
        projected = self.project(features.masked_fill(~present[..., None], 0))
        if self.site is not None:
            numbers = present.new_full(present.shape, NO_SITE, dtype=torch.long) if sites is None else sites
            projected = projected + self.site(torch.where(numbers < 0, self.num_sites, numbers))
        scores = self.score(self.value(projected).tanh() * self.gate(projected).sigmoid())[..., 0]
        weights = scores.masked_fill(~present, float("-inf")).softmax(1)
        logits = self.classifier((weights[..., None] * projected).sum(1))
        if self.plain is not None:
            known = features[..., -self.plain.in_features // _SUMMARIES :]
            logits = logits + self.plain(_summaries(known, present))
        return ExamOutput(logits, weights)

    def _held(self, features: Tensor, present: Tensor | None, sites: Tensor | None) -> Tensor:
        if features.ndim != 3 or features.shape[2] != self.in_features:
            raise InvalidImageError(
                f"features of frames are (E, N, {self.in_features}); got {tuple(features.shape)}"
            )
        found = features.new_ones(features.shape[:2], dtype=torch.bool) if present is None else present
        for name, given in (("present", found), ("sites", sites)):
            if given is not None and given.shape != features.shape[:2]:
                raise InvalidImageError(
                    f"{name} is (E, N) as the features are; got {tuple(given.shape)} and {tuple(features.shape)}"
                )
        if not found.any(1).all():
            raise InvalidImageError(f"examination {int((~found.any(1)).nonzero()[0])} has no frames")
        if sites is not None:
            if not self.num_sites:
                raise InvalidImageError(
                    "the head knows no sites: leave sites out, or build it with num_sites"
                )
            if bool((sites >= self.num_sites).any()):
                raise InvalidImageError(
                    f"site {int(sites.max())} of {self.num_sites}: sites are numbered from 0, and -1 is none"
                )
        return found

    def _without_some_sites(self, present: Tensor, sites: Tensor) -> Tensor:
        dropped = torch.rand(len(sites), self.num_sites + 1, device=sites.device) < self.site_dropout
        dropped[:, -1] = False  # of no site
        numbers = torch.where(sites < 0, self.num_sites, sites)
        left = present & ~dropped.gather(1, numbers)
        return torch.where(left.any(1, keepdim=True), left, present)


def _summaries(log_odds: Tensor, present: Tensor) -> Tensor:
    """Of log-odds (E, N, L) the highest, the mean of the three highest, and the mean of all frames: (E, 3 L)."""
    absent = ~present[..., None]
    known = log_odds.clamp(-_CERTAIN, _CERTAIN)
    count = present.sum(1)[:, None]
    most = min(_HIGHEST, known.shape[1])
    top = known.masked_fill(absent, -torch.inf).topk(most, dim=1).values
    there = top.isfinite()
    mean_of_top = top.masked_fill(~there, 0).sum(1) / there.sum(1)
    mean = known.masked_fill(absent, 0).sum(1) / count
    return torch.cat([top[:, 0], mean_of_top, mean], dim=1)
