"""The album: a folder with one picture a frame, of `lag-zoo predict --pictures`."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from lag_zoo.errors import LagZooError
from lag_zoo.files import write_whole

if TYPE_CHECKING:
    from lag_zoo.predict import Prediction

_NARROWEST, _WIDEST = 640, 1280  # pixels: room for the words, and enough to read a frame by


class Album:
    """Pictures by the number of their frame; one that cannot be drawn or written is counted, and stops nothing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.written = 0
        self.missing: list[str] = []

    def add(self, number: int, prediction: "Prediction") -> None:
        """Draws a prediction of a file into the folder, as `00012_name.jpg`."""
        from lag_zoo.data.images import read_image

        path = prediction.path or Path("frame")
        try:
            pixels = read_image(path)
            width = min(max(pixels.shape[2], _NARROWEST), _WIDEST)
            picture = prediction.draw(pixels, width=width)
            file = io.BytesIO()
            picture.save(file, format="JPEG", quality=90, subsampling=0)
            write_whole(self.folder / f"{number:05d}_{path.stem}.jpg", file.getvalue())
        except (OSError, LagZooError) as error:
            self.missing.append(f"{path}: {error}")
        else:
            self.written += 1

    def summary(self) -> str:
        """Counts the pictures in a sentence, with the first that is missing."""
        missing = f"; {len(self.missing)} are missing, the first {self.missing[0]}" if self.missing else ""
        return f"{self.written} pictures in {self.folder}{missing}"
