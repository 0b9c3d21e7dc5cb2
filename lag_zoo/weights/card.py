# ruff: noqa: E501 - the card is prose
"""The model card of a repository: what the Hub reads in its header, and what a person has to know before using it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from huggingface_hub import EvalResult, ModelCardData

from lag_zoo.inert import without_html
from lag_zoo.specs import Measurement, WeightSpec
from lag_zoo.weights.exam_files import ExamSpec
from lag_zoo.weights.repository import RepositoryConfig

NOT_A_DEVICE = (
    "For research and teaching. Not a medical device: not for diagnosis, treatment or use on patients."
)
REQUIRED = {
    "label_names": "they come with the network: save one that names them, create_model(..., label_names=[...])",
    "licence": "--licence CC-BY-4.0",
    "training_data": '--training-data "our-hospital-2026: how to cite it; its licence", again for each',
    "intended_use": '--intended-use "Research on ..."',
    "limits": '--limits "One centre.", again for each',
}
"""Fields of `WeightSpec` that a card must have before it is published, and how to say them."""

WELCOME = {
    "modality": "--modality wli",
    "results": "lag-zoo evaluate FOLDER DATA --into-card",
}
"""Fields that a card may lack, and readers look for; likewise."""


def missing(weights: WeightSpec, fields: Mapping[str, str] = MappingProxyType(REQUIRED)) -> list[str]:
    """Lines that say which fields are empty, and how to say each."""
    return [f"{field} is empty: {how}" for field, how in fields.items() if not getattr(weights, field)]


def card(config: RepositoryConfig, *, name: str, exam: ExamSpec | None = None) -> str:
    """The text of README.md for a repository; `exam`: of the head that it holds besides."""
    network, weights = config.config, config.weights
    name = without_html(name)
    labels = without_html(", ".join(weights.label_names)) or f"{network.num_classes} unnamed classes"
    points = without_html(", ".join(f"{label} from {p:g}" for label, p in weights.operating_points.items()))
    crops = f"{network.num_crops} crops of {network.crop_size} pixels" if network.num_crops else "no crops"
    return f"""---
{_header(config, name)}
---

# {name}

{NOT_A_DEVICE}

A lag_zoo model: LAG (Yang et al., IEEE JBHI 2022) on
{network.backbone}, {crops}, global view of {network.global_size} pixels. It tells: {labels} ({network.task}).

## Intended use

{without_html(weights.intended_use) or "Not stated."}

## Training data

{_listed(weights.training_data)}

Modality: {weights.modality or "not stated"}.

{_inherited(weights)}

## Results

{_results(weights.results)}

Operating points: {points or "none; the likeliest label is called"}. Temperature: {weights.temperature:g}.

{_examinations(exam)}## Limits

{_listed(weights.limits)}

## Licence

Weights: {without_html(weights.licence) or "not stated"}. What the backbone was initialised from: {without_html(weights.backbone_licence) or "nothing, or not stated"}.

## How to load

```python
import lag_zoo

model = lag_zoo.create_model("hf-hub:<this repository>", pretrained=True).eval()
predictor = lag_zoo.Predictor(model)
```

Written by lag_zoo {without_html(config.lag_zoo_version)} (timm {without_html(config.timm_version)}). The saved example in `golden.safetensors` is drawn, not a patient's.
"""


def _examinations(exam: ExamSpec | None) -> str:
    if exam is None:
        return ""
    level = {"exam": "an examination", "patient": "a patient"}[exam.level]
    labels = without_html(", ".join(exam.config.label_names))
    points = without_html(", ".join(f"{label} from {p:g}" for label, p in exam.operating_points.items()))
    sites = without_html(", ".join(exam.config.sites)) or "it is told none"
    return f"""## Examinations

A head reads the features of all frames of {level}, by gated attention (Ilse et al., ICML 2018), and tells: {labels}
({exam.config.task}). Sites: {sites}. `lag_zoo.create_exam_model("hf-hub:<this repository>")` loads it.

{_results(exam.results)}

Operating points: {points or "none; the likeliest label is called"}. Temperature: {exam.temperature:g}.

{_listed(exam.limits)}

"""


def _header(config: RepositoryConfig, name: str) -> str:
    weights = config.weights
    tags = [
        "lag_zoo",
        "timm",
        "endoscopy",
        "image-classification",
        *([config.domain] if config.domain else []),
    ]
    data = ModelCardData(
        library_name="lag_zoo",
        pipeline_tag="image-classification",
        tags=tags,
        license=weights.licence.lower() or None,
        model_name=name,
        eval_results=[
            EvalResult(
                task_type="image-classification",
                dataset_type="endoscopy",
                dataset_name=r.data,
                metric_type=r.metric,
                metric_value=r.value,
                metric_name="; ".join(filter(None, [_in_short(r), r.note.partition(";")[0]])),
            )
            for r in weights.results
        ]
        or None,
    )
    return data.to_yaml().strip()


def _in_short(result: Measurement) -> str:
    return f"{result.metric} ({_interval(result)}; n {result.n} {result.unit})"


def _interval(result: Measurement) -> str:
    if result.low is None or result.high is None:
        return "no interval"
    return f"{result.level:.0%} interval {result.low:.3f} to {result.high:.3f}"


def _results(results: Sequence[Measurement]) -> str:
    if not results:
        return "None were measured."
    rows = [
        [
            r.metric,
            f"{r.value:.3f}",
            "; ".join(filter(None, [_interval(r), r.interval])),
            _n(r),
            r.data,
            r.date,
            r.note,
        ]
        for r in results
    ]
    return "\n".join(
        [
            "| what | value | interval | n | data | date | note |",
            "| --- | ---: | --- | --- | --- | --- | --- |",
            *(f"| {' | '.join(map(_cell, row))} |" for row in rows),
        ]
    )


def _n(result: Measurement) -> str:
    groups = "" if result.groups is None else f" in {result.groups} groups"
    return f"{result.n} {result.unit}{groups}"


def _cell(text: str) -> str:
    """A text that stays in its cell of a Markdown table."""
    return without_html(" ".join(text.replace("|", "\\|").split()))


def _inherited(weights: WeightSpec) -> str:
    if not weights.initialised_from:
        return "Trained from scratch, or from weights that are not stated."
    started = without_html(
        f"Initialised from {', which was initialised from '.join(weights.initialised_from)}"
    )
    if not weights.inherited_data:
        return f"{started}; what that was trained on is not stated."
    return f"{started}, trained on:\n\n{_listed(weights.inherited_data)}"


def _listed(lines: Sequence[object]) -> str:
    return "\n".join(f"- {without_html(str(line))}" for line in lines) or "Not stated."
