"""Frames drawn for tests of training: two labels that colours tell apart, in files with patients and splits."""

from pathlib import Path

import torch
from PIL import Image

from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.data.phantom import draw_frame
from lag_zoo.data.tables import write_manifest

SIZE = (120, 150)


def write_frames(folder: Path, *, patients: int = 12, each: int = 2, modality: bool = False) -> Manifest:
    """A folder of PNG files with a manifest beside them, `data.csv`; every third patient is validated on."""
    folder.mkdir(exist_ok=True)
    frames = []
    for patient in range(patients):
        label = patient % 2
        for number in range(each):
            pixels = draw_frame(SIZE, seed=100 * patient + number).float()
            pixels[1] *= 0.6 if label else 1.0
            name = f"{patient}_{number}.png"
            Image.fromarray(pixels.round().to(torch.uint8).permute(1, 2, 0).numpy()).save(folder / name)
            frames.append(
                Frame(
                    image=name,
                    labels=(label,),
                    patient=f"p{patient}",
                    split="val" if patient // 2 % 3 == 2 else "train",
                    modality=("wli", "lci")[patient // 2 % 2] if modality else "",
                )
            )
    manifest = Manifest(
        root=folder, label_names=("normal", "IM"), frames=tuple(frames), source="drawn frames"
    )
    write_manifest(manifest, folder / "data.csv")
    return manifest


def with_masks(data: Manifest) -> Manifest:
    """The same frames, two of three with a mask that marks the left half, or the right one."""
    masks = []
    for number, frame in enumerate(data.frames):
        mask = torch.zeros(SIZE, dtype=torch.bool)
        mask[:, : SIZE[1] // 2] = True
        name = f"{Path(frame.image).stem}_mask.png" if number % 3 else ""
        if name:
            Image.fromarray((mask if number % 2 else ~mask).numpy()).save(data.root / name)
        masks.append(name)
    return data.with_column("mask", masks)
