# ruff: noqa: E501 - the card is prose
"""The card of an export: what it is, and how to run it without lag_zoo."""

from lag_zoo.export.layout import MODELS, TOLERANCE, ExportSpec
from lag_zoo.inert import without_html
from lag_zoo.weights.card import NOT_A_DEVICE

_RUN = {
    "onnx": """import onnxruntime
from safetensors.numpy import load_file

views = load_file("golden.safetensors")  # of a drawn frame, with the answer; yours go in its place
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
inputs = {one.name: views[one.name] for one in session.get_inputs()}
(probabilities,) = session.run(["probabilities"], inputs)
assert abs(probabilities - views["probabilities"]).max() < 1e-4
print(dict(zip(LABELS, probabilities[0].tolist())))""",
    "torch": """import torch
from safetensors.torch import load_file

views = load_file("golden.safetensors")  # of a drawn frame, with the answer; yours go in its place
network = torch.export.load("model.pt2").module()
with torch.no_grad():
    logits, probabilities, *_ = network(*(views[name] for name in INPUTS))
assert (probabilities - views["probabilities"]).abs().max() < 1e-4
print(dict(zip(LABELS, probabilities[0].tolist())))""",
}

_WITH_LAG_ZOO = {
    "onnx": """With lag_zoo: `lag_zoo.export.OnnxPredictor(FOLDER)("frame.jpg")`. It makes the views, and verifies this folder's files.""",
    "torch": """An exported program is loaded by torch, which trusts its author: load only what you wrote, or whoever you trust.""",
}


def card(spec: ExportSpec) -> str:
    """The text of README.md for an export."""
    network = spec.network
    labels = without_html(", ".join(spec.label_names))
    points = without_html(", ".join(f"{label} from {p:g}" for label, p in spec.operating_points.items()))
    rows = "\n".join(f"| `{name}` | {text} |" for name, text in _inputs(spec).items())
    limits = "\n".join(f"- {without_html(line)}" for line in spec.limits) or "Not stated."
    constants = f"LABELS = {list(spec.label_names)!r}"
    if spec.runtime == "torch":
        constants += f"\nINPUTS = {list(spec.inputs)!r}"
    opset = "" if spec.opset is None else f", opset {spec.opset}"
    versions = without_html(", ".join(f"{name} {number}" for name, number in spec.versions.items()))
    return f"""# {without_html(spec.name)}, exported

{NOT_A_DEVICE}

A lag_zoo network ({without_html(str(network.backbone))}) in `{MODELS[spec.runtime]}` (float32{opset}): views go in, probabilities of {labels} ({network.task}) come out.
Made from: {without_html(spec.source) or "a network in memory"}. Licence: {without_html(spec.licence) or "not stated"}.

| input | |
| --- | --- |
{rows}

Any number B of frames. Normalisation, temperature ({spec.temperature:g}, inside `probabilities`, not `logits`) and readout are inside. Outputs: {", ".join(f"`{name}`" for name in spec.outputs)}.
Operating points: {points or "none"}.

## Run it without lag_zoo

```python
{constants}
{_RUN[spec.runtime]}
```

{_WITH_LAG_ZOO[spec.runtime]}

## Checked

On 32 drawn frames, in batches of 1 to 16, logits were at most {spec.apart["logits"]:.1e} and probabilities at most {spec.apart["probabilities"]:.1e} from the network's; above {TOLERANCE:g} nothing is written. The frame of `golden.safetensors` is drawn, not a patient's.

## Intended use

{without_html(spec.intended_use) or "Not stated."}

## Limits

{limits}

Written by {versions}.
"""


def _inputs(spec: ExportSpec) -> dict[str, str]:
    """Of each input its shape and meaning."""
    network = spec.network
    side, count, crop = network.global_size, network.num_crops, network.crop_size
    masked = ", blank outside the field of view" if network.mask_outside else ""
    texts = {
        "global_view": f"(B, 3, {side}, {side}) uint8, RGB: the whole frame squashed to a square, bilinear and antialiased{masked}",
        "crops": f"(B, {count}, 3, {crop}, {crop}) uint8: crops at native resolution, laid by `lag_zoo.ViewSampler` (policy {network.policy})",
        "inside": f"(B, {count}) bool: the crops wholly in the field of view",
    }
    return {name: texts[name] for name in spec.inputs}
