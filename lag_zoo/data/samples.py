"""The thirty frames that the authors of LAG published: fetched from their repository, believed only by their digest.

They were published without a licence: look at them, do not redistribute. Nothing of them is in this package but their
SHA-256. They are 20 examinations, and frames of one examination are near-copies: they can show that something runs, and
say nothing of how well.
"""

import hashlib
import http.client
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # imported there, not in so many words exported
from torch.utils.data import Dataset

from lag_zoo.catalogue.gastric import LABELS
from lag_zoo.data.images import read_image
from lag_zoo.errors import DataError, DownloadError, InvalidConfigError
from lag_zoo.files import write_whole
from lag_zoo.weights.digests import digest_of

BASE_URL = "https://raw.githubusercontent.com/fengcherenxi/LAG/main/data"
"""Address of the frames; below it, each by its name in `SHA256`."""

SHA256: Mapping[str, str] = {
    "WLI_normal/1.TIF": "d3ae87e88952fef08b7f9efbb5ef4e693619759eb8dca741f0f17e3fdbf07dfb",
    "WLI_normal/2.TIF": "24ecb38e44a556b1963dd13e09864358956bbb20929b7009954b68e6fa6d978b",
    "WLI_normal/3.TIF": "8ab2bab6b30c959cf64848fc7f2a3e968602c1e90f860f290fe61926df72e145",
    "WLI_normal/4.TIF": "dd7fbc562c09aee481b075eb60a5f76dd245c4576c851ba647948269dead1e91",
    "WLI_normal/5.TIF": "5120000380142f9b7ac716959817c5ec10ae32f29d67a32cb2850db5abc05bd7",
    "WLI_GA/1.TIF": "db8ddd07f80b06b6de277c5f194eae268e7a89bfd13cc424cb8f31aba7b9b5de",
    "WLI_GA/2.TIF": "6c1c3b37db248af72d3ddc45069db2de1e9663fe0f91a31cd73abbf0338b8321",
    "WLI_GA/3.TIF": "893b17be220a5dcdbeb6528c80746c024fa265b66d7f82684a380717b4d83a6e",
    "WLI_GA/4.TIF": "d46eb7a8b8fae2c083f3ba52161ab5ea0e81c22cc23f016142799fa1b7efd16e",
    "WLI_GA/5.TIF": "44033b96506132b3cb27924b638fe009844a163b73ec83e593956a989988b6c0",
    "WLI_IM/1.TIF": "cbc8b1d0a3d8d09d431dc3ed5cb7a64e6dee9ddc122ff1b9703be85c45dbaa38",
    "WLI_IM/2.TIF": "2d8280c5581778e3e0544a77541ccb41cf2dc4a22d615976fe3a8bb06f2ca217",
    "WLI_IM/3.TIF": "7ee5bab6058ae7470bc52f8ce073a60d3554ebe3ad3a3a04a6571fae817cff28",
    "WLI_IM/4.TIF": "ec79a58628cf583db6668f9a42e8af9ebe29c2759fad503251180a1582eb57c0",
    "WLI_IM/5.TIF": "06543d92d0bc8c2efb485ffa99e644fd3dc35b90924cc8a33d0627b3d6ff5892",
    "LCI_normal/1.TIF": "160a755d72be484d4517cf267c19f686aeb4e7758340f6664f684ffa5c35e6e3",
    "LCI_normal/2.TIF": "c76545b6c905a4d5f0758dfc26c1a60fa9940fd5904cba4f66716de0161b9714",
    "LCI_normal/3.TIF": "8750e579f10761f7b7a03cbbeb56c9a9bf918ec0c6ad1098bf6c6cb186b41884",
    "LCI_normal/4.TIF": "2410da38abe56093dd4b9325c5f063ede2c7f0959a5aedba517e03701597d40c",
    "LCI_normal/5.TIF": "dc5b32a9e72afc21bcf38381a0966019faf9b988a2f2966f0a9729b4d097cc82",
    "LCI_GA/1.TIF": "0b294800f1a68a891532e778ee29fdc5189907c3b0c977af587c0b30b03cb61b",
    "LCI_GA/2.TIF": "170adc2dbc024fc4da22e5ae65331766027a5ec6717e00e5f22bfde40e703ede",
    "LCI_GA/3.TIF": "e72d009009e4550d60427dde8ad836c1b84fee27ab59c917172044fdccf8f0ca",
    "LCI_GA/4.TIF": "35af9af2cc892cecff1a7261081265d43ed20b14f5a4f56b8d93cc8ad2efdec3",
    "LCI_GA/5.TIF": "1ca79ba520e99d66506ae558e0231f90810306c98fde9d7b5a231123a895000d",
    "LCI_IM/1.TIF": "3d1d4044529fe7f8edb426a1dce6c955cc83932de87f75754b5f8616e4723d9b",
    "LCI_IM/2.TIF": "0dd068f7bfd6f18ee9e0ab1456af29637e4430383538a37cc93332912b8b0452",
    "LCI_IM/3.TIF": "cd67fb1b533f25b3bd27cf5a6cd6f869c4f50f357632637d8111471200728e99",
    "LCI_IM/4.TIF": "e5a392f9f121d963547db3393fca553313b02ca7f76266e98724ca7bbae14535",
    "LCI_IM/5.TIF": "098a432ffbde6b1050d4358ecbdf8a8a1dcd7e2d094a123e5c8b7e42c7cc0839",
}
"""The digest of each frame, by its path below the folder."""

_MOST = 8 * 2**20  # bytes of a file; a frame has 3.9 million
_TRIES = 3  # requests for one file, where the answers break off
_ASIDE = ".damaged"  # no image's suffix, so that nobody takes such a file for a frame
_SHOWN = 3


class LAGSamples(Dataset[tuple[Any, Any]]):
    """The 30 public sample frames of LAG, a map-style data set of (pixels (3, 1024, 1280) uint8, class index).

    Published without a licence: look at them, do not redistribute. 30 frames of 20 examinations are for running, not
    for scoring. Two frames filed as white light, WLI_IM/2 and WLI_IM/3, carry the processor's LCI tag; they are left
    as they were published.

    Args:
        root: the folder, with or for `WLI_normal/1.TIF` ... `LCI_IM/5.TIF`; `lag_zoo.data.open_data(root)` reads it
            too.
        download: fetches what is not there, 118 MB in all, frame by frame. What is there is not fetched again. A file
            with other bytes is set aside as `*.damaged`.
        transform: of the pixels, as from `lag_zoo.create_transform(model)`.
        target_transform: of the class index.
        base_url: a mirror, which serves the same paths.
        timeout: seconds of silence after which the server is given up.

    Attributes:
        classes: the names of the classes; the dominant finding, as the frames are filed.
        class_to_idx: the index of each.
        samples: (path, class index) of each frame, white light first.
        targets: the class index of each frame.
        modalities: the modality of each frame as it is filed, "wli" or "lci".

    Raises:
        DataError: frames are missing or have other bytes, and `download` is not set.
        DownloadError: a frame could not be fetched, or what came is not the frame; what came before is kept.
        InvalidConfigError: a base that is no HTTP address, or a timeout that is none.

    >>> LAGSamples.classes
    ('normal', 'GA', 'IM')
    >>> LAGSamples("no-such-folder")
    Traceback (most recent call last):
    lag_zoo.errors.DataError: 30 of 30 sample frames are not in no-such-folder: WLI_normal/1.TIF, WLI_normal/2.TIF, \
WLI_normal/3.TIF, ... LAGSamples(..., download=True) fetches them
    """

    classes = LABELS
    class_to_idx = {name: index for index, name in enumerate(LABELS)}  # noqa: RUF012

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        download: bool = False,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        base_url: str = BASE_URL,
        timeout: float = 30.0,
    ) -> None:
        self.root = Path(root)
        self.transform = transform
        self.target_transform = target_transform
        if download:
            _fetch_all(self.root, base_url, timeout)
        else:
            _verify_all(self.root)
        filed = [name.partition("/")[0].split("_") for name in SHA256]
        self.modalities = [modality.lower() for modality, _ in filed]
        self.targets = [self.class_to_idx[label] for _, label in filed]
        self.samples = [
            (str(self.root / name), target) for name, target in zip(SHA256, self.targets, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        pixels = read_image(path)
        return (
            pixels if self.transform is None else self.transform(pixels),
            target if self.target_transform is None else self.target_transform(target),
        )


def _lacking(root: Path) -> tuple[list[str], list[str]]:
    """The frames that are not there, and those that have other bytes."""
    missing = [name for name in SHA256 if not (root / name).is_file()]
    other = [name for name in SHA256 if name not in missing and digest_of(root / name) != SHA256[name]]
    return missing, other


def _verify_all(root: Path) -> None:
    missing, other = _lacking(root)
    for names, what in ((other, "have other bytes than the published ones in"), (missing, "are not in")):
        if names:
            shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else ".")
            raise DataError(
                f"{len(names)} of {len(SHA256)} sample frames {what} {root}: {shown} "
                "LAGSamples(..., download=True) fetches them"
            )


def _fetch_all(root: Path, base_url: str, timeout: float) -> None:
    """Fetches what is not there; a folder that has everything is not written to."""
    if urlsplit(base_url).scheme not in ("http", "https"):
        raise InvalidConfigError(f"base_url is an http:// or https:// address, got {base_url!r}")
    if not timeout > 0:
        raise InvalidConfigError(f"a timeout is some seconds, got {timeout}")
    if not any(_lacking(root)):
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(root / ".lock"):  # two processes would write one file
            missing, other = _lacking(root)
            for name in other:
                _set_aside(root / name)
            for name in sorted(missing + other):
                _fetch(f"{base_url.rstrip('/')}/{quote(name)}", root / name, SHA256[name], timeout)
    except DownloadError as error:
        raise DownloadError(
            f"{error}. Ways on: the call again, which goes on after the frames that came; base_url= for a mirror; or "
            f"the folder data/ of the repository fengcherenxi/LAG, got elsewhere and put as {root}"
        ) from error
    except OSError as error:  # of the disk: those of the line are DownloadErrors by now
        raise DownloadError(f"the sample frames cannot be written to {root}: {error}") from error


class _BrokenOffError(Exception):
    """An answer that ended before its end."""


def _fetch(url: str, path: Path, sha256: str, timeout: float) -> None:
    """Fetches a file of a few megabytes, whole and verified; one that broke off is asked for again."""
    reason = ""
    for _ in range(_TRIES):
        try:
            data = _received(url, timeout)
        except _BrokenOffError as error:
            reason = str(error)
            continue
        if hashlib.sha256(data).hexdigest() == sha256:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
            return
        reason = f"other bytes came than the published ones, {len(data)} of them"
        break
    raise DownloadError(f"{url} cannot be had: {reason}")


def _received(url: str, timeout: float) -> bytes:
    try:
        answer = urlopen(url, timeout=timeout)
    except HTTPError as error:
        error.close()
        raise DownloadError(f"{url} cannot be had: the server says {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise DownloadError(f"{url} cannot be had: the server does not answer ({reason!r})") from error
    with answer:
        length = answer.headers.get("Content-Length", "")
        stated = int(length) if length.isdecimal() else None
        try:
            data: bytes = answer.read(_MOST + 1) if stated is None or stated <= _MOST else b""
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOffError(f"the answer broke off ({error!r})") from error
    size = len(data) if stated is None else max(stated, len(data))
    if size > _MOST:
        raise DownloadError(f"{url} cannot be had: {size} bytes or more, a frame has at most {_MOST}")
    if len(data) < size:
        raise _BrokenOffError(f"the answer broke off after {len(data)} of {size} bytes")
    return data


def _set_aside(path: Path) -> Path:
    aside = path.with_name(path.name + _ASIDE)
    os.replace(path, aside)
    return aside
