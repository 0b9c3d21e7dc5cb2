"""The examination's head: a set of frames of any size, weighed as torchmil weighs it; sites may be missing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmil.models import ABMIL

from lag_zoo.errors import InvalidConfigError, InvalidImageError
from lag_zoo.nn.exam_head import NO_SITE, ExamHead

SITES = 3


def head(**options: object) -> ExamHead:
    torch.manual_seed(0)
    made = ExamHead(8, 2, width=16, attention_width=4, num_sites=SITES, **options)  # type: ignore[arg-type]
    torch.nn.init.normal_(made.site.weight)  # type: ignore[union-attr]
    return made


def bag(frames: int, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(1, frames, 8, generator=rng)
    return features, torch.randint(NO_SITE, SITES, (1, frames), generator=rng)


def test_equals_torchmil_for_equal_weights() -> None:
    ours = ExamHead(8, 1, width=16, attention_width=4)
    theirs = ABMIL((8,), att_dim=4, gated=True, feat_ext=ours.project)
    theirs.pool.fc1, theirs.pool.fc_gated, theirs.pool.fc2 = ours.value, ours.gate, ours.score
    theirs.classifier = ours.classifier
    features = torch.randn(5, 7, 8)
    present = torch.rand(5, 7) < 0.7
    present[:, 0] = True
    output = ours(features, present)
    logits, scores = theirs(features, present.float(), return_att=True)
    assert torch.allclose(output.logits[:, 0], logits, atol=1e-6)
    assert torch.allclose(output.weights, scores.masked_fill(~present, -torch.inf).softmax(1), atol=1e-6)


@given(frames=st.integers(1, 12), seed=st.integers(0, 99), filling=st.integers(0, 5))
def test_order_and_filling_change_nothing(frames: int, seed: int, filling: int) -> None:
    model = head().eval()
    features, sites = bag(frames, seed=seed)
    logits, weights = model(features, None, sites)
    order = torch.randperm(frames, generator=torch.Generator().manual_seed(seed))
    turned = model(features[:, order], None, sites[:, order])
    assert torch.allclose(turned.logits, logits, atol=1e-5)
    assert torch.allclose(turned.weights, weights[:, order], atol=1e-6)
    present = torch.ones(1, frames + filling, dtype=torch.bool)
    present[:, frames:] = False
    filled = torch.cat([features, torch.full((1, filling, 8), torch.nan)], 1)
    named = torch.cat([sites, torch.zeros(1, filling, dtype=torch.long)], 1)
    padded = model(filled, present, named)
    assert torch.allclose(padded.logits, logits, atol=1e-5)
    assert padded.weights[:, frames:].eq(0).all()
    assert weights.sum().item() == pytest.approx(1, abs=1e-5)


def test_filling_has_no_gradient() -> None:
    model = head()
    features = torch.cat([bag(3)[0], torch.full((1, 2, 8), torch.nan)], 1)
    present = torch.tensor([[True, True, True, False, False]])
    model(features, present).logits.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_site_is_told_and_none_is_what_nobody_named() -> None:
    model = head().eval()
    features, _ = bag(2)
    each = [model(features, None, torch.full((1, 2), site)).logits for site in range(NO_SITE, SITES)]
    assert all(not torch.allclose(one, other) for i, one in enumerate(each) for other in each[:i])
    assert torch.equal(model(features).logits, each[0])


def test_sites_are_left_out_in_training_alone_and_an_examination_never_wholly() -> None:
    model = head(site_dropout=0.5)
    features = torch.randn(200, 4, 8)
    sites = torch.tensor([[0, 0, 1, NO_SITE]]).expand(200, 4)
    weights = model(features, None, sites).weights
    out = weights.eq(0)
    assert torch.equal(out[:, 0], out[:, 1]), "the frames of a site go together"
    assert 60 < out[:, 0].sum() < 140
    assert 60 < out[:, 2].sum() < 140
    assert not out[:, 3].any(), "no site is no site that is missing"
    alone = torch.zeros(200, 4, dtype=torch.long)
    assert not model(features, None, alone).weights.eq(0).any()
    assert not model.eval()(features, None, sites).weights.eq(0).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": torch.zeros(1, 2, 7)}, r"\(E, N, 8\); got \(1, 2, 7\)"),
        ({"present": torch.ones(1, 3, dtype=torch.bool)}, "present is"),
        ({"present": torch.zeros(1, 2, dtype=torch.bool)}, "examination 0 has no frames"),
        ({"sites": torch.full((1, 2), SITES)}, "site 3 of 3"),
        ({"sites": torch.zeros(2, 2, dtype=torch.long)}, "sites is"),
    ],
)
def test_bad_input_is_named(change: dict[str, torch.Tensor], message: str) -> None:
    given: dict[str, torch.Tensor] = {"features": torch.zeros(1, 2, 8), **change}
    with pytest.raises(InvalidImageError, match=message):
        head()(**given)


def test_sites_need_a_head_that_knows_them() -> None:
    with pytest.raises(InvalidImageError, match="knows no sites"):
        ExamHead(8, 2)(torch.zeros(1, 2, 8), None, torch.zeros(1, 2, dtype=torch.long))


@pytest.mark.parametrize("options", [{"width": 0}, {"num_sites": -1}, {"site_dropout": 1.0}])
def test_sizes_are_held(options: dict[str, float]) -> None:
    with pytest.raises(InvalidConfigError):
        ExamHead(8, 2, **options)  # type: ignore[arg-type]


def test_the_head_begins_with_the_plain_rules() -> None:
    model = ExamHead(8, 2, log_odds=2, width=16, attention_width=4).eval()
    features = torch.randn(3, 5, 8)
    present = torch.tensor([[True] * 5, [True] * 2 + [False] * 3, [True] + [False] * 4])
    logits = model(features, present).logits
    for row, count in enumerate((5, 2, 1)):
        known = features[row, :count, -2:]
        highest = known.sort(0, descending=True).values[:3]
        summary = torch.cat([highest[0], highest.mean(0), known.mean(0)])
        assert torch.allclose(logits[row], model.plain(summary) + model.classifier.bias, atol=1e-5)  # type: ignore[misc]
    certain = features.clone()
    certain[..., -2:] = 1e30
    assert model(certain, present).logits.isfinite().all(), (
        "a frame that is certain is not believed without end"
    )
