"""Finding the field of view of 1280 x 1024 uint8 frames, one thread, against torchvision's resize of them to 224.

The resize is what every pipeline does to a frame anyway: a scale for what finding its field costs.
"""

import torch

from benchmarks.timing import Row, interleaved, row
from lag_zoo.data.phantom import draw_frame
from lag_zoo.views import find_field_of_view
from lag_zoo.views.extract import global_views

GOAL = "at most 0.5 ms"


@torch.inference_mode()
def rows(*, rounds: int = 40) -> list[Row]:
    """One row a batch size; seconds a frame."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [_row(batch, rounds) for batch in (1, 8)]
    finally:
        torch.set_num_threads(threads)


def _row(batch: int, rounds: int) -> Row:
    frames = torch.stack([draw_frame(seed=i) for i in range(batch)])
    times = interleaved(
        {"field": lambda: find_field_of_view(frames), "resize": lambda: global_views(frames, 224)},
        rounds=rounds,
    )
    field, resize = ([seconds / batch for seconds in times[case]] for case in ("field", "resize"))
    return row(f"field of view, batch {batch}, a frame / resize to 224", field, resize, goal=GOAL)


if __name__ == "__main__":
    from benchmarks.timing import markdown

    print(markdown("Field of view", rows()))
