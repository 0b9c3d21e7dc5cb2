"""The two looks at a frame: the global view, shrunk, and the crops, which keep their native pixels."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize


def global_views(frames: Tensor, size: int) -> Tensor:
    """Frames (B, 3, H, W) squashed whole to (B, 3, size, size), bilinear and antialiased, in their own dtype.

    uint8 on the CPU is resized frame by frame: it is the faster way there, and a frame then gives the same bits alone
    and in a batch.
    """
    if frames.dtype == torch.uint8 and frames.device.type == "cpu":
        return torch.stack([_squash(_colours_side_by_side(frame), size) for frame in frames])
    return _squash(frames, size)


def over_frame(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps over a global view (B, h, w) -> over the frame (B, H, W) that was squashed into it, bilinear.

    >>> over_frame(torch.tensor([[[0.0, 4.0]]]), (2, 4))[0]
    tensor([[0., 1., 3., 4.],
            [0., 1., 3., 4.]])
    """
    return F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def _squash(image: Tensor, size: int) -> Tensor:
    return resize(image, [size, size], interpolation=InterpolationMode.BILINEAR, antialias=True)


def _colours_side_by_side(frame: Tensor) -> Tensor:
    """The frame in the memory order of the resize, which takes longer to bring it there itself."""
    if frame.stride(0) == 1:
        return frame
    # numpy's stack: torch's takes up to three times as long, depending on the processor.
    return torch.from_numpy(np.stack(list(frame.numpy()), axis=2)).permute(2, 0, 1)


def crops_of(frames: Tensor, boxes: Tensor) -> Tensor:
    """The pixels (B, N, 3, c, c) in boxes (B, N, 4) of frames (B, 3, H, W); zeros beyond the frame's edge."""
    size = int(boxes[0, 0, 2] - boxes[0, 0, 0])
    height, width = frames.shape[-2:]
    if height < size or width < size:
        frames = F.pad(frames, (0, max(0, size - width), 0, max(0, size - height)))
    return (_sliced if frames.device.type == "cpu" else _gathered)(frames, boxes, size)


def _gathered(frames: Tensor, boxes: Tensor, size: int) -> Tensor:
    """All crops in one operation, and no number of the boxes comes back from the GPU."""
    reach = torch.arange(size, device=frames.device)
    x, y = (boxes[..., i, None] + reach for i in range(2))  # (B, N, c)
    each = torch.arange(len(frames), device=frames.device)[:, None, None, None]
    return frames[each, :, y[..., :, None], x[..., None, :]].permute(0, 1, 4, 2, 3)


def _sliced(frames: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Crop after crop: on the CPU a slice is copied row by row, faster than pixel by pixel."""
    corners: list[list[list[int]]] = boxes[..., :2].tolist()
    return torch.stack(
        [
            torch.stack([frame[:, y : y + size, x : x + size] for x, y in places])
            for frame, places in zip(frames, corners, strict=True)
        ]
    )
