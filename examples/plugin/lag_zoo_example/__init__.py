"""One model for lag_zoo: frames of the colon, clean or not. Only data: nothing here imports torch."""

from lag_zoo import LAGConfig, ModelSpec

MODEL = ModelSpec(
    name="lag_mobilenetv3_small_050_cleanliness",
    config=LAGConfig(
        backbone="mobilenetv3_small_050",
        num_classes=2,
        label_names=("clean", "not clean"),
        num_crops=6,
    ),
    domain="colonoscopy",
    description="Whether the mucosa is clean enough to be judged.",
)
