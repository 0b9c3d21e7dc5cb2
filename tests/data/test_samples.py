"""The public sample frames: fetched once, asked for again where they broke off, never other bytes than published."""

import contextlib
import hashlib
import io
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import torch
from PIL import Image

from lag_zoo.data import open_data, samples
from lag_zoo.data.phantom import draw_frame
from lag_zoo.data.samples import SHA256, LAGSamples
from lag_zoo.errors import DataError, DownloadError, InvalidConfigError

ONE, TWO, LAST = "WLI_normal/1.TIF", "WLI_normal/2.TIF", "LCI_IM/5.TIF"


class Handler(BaseHTTPRequestHandler):
    """Serves `mirror.files`, unless the next fault for a file says otherwise."""

    mirror: "Mirror"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        name = unquote(self.path).removeprefix("/data/")
        self.mirror.requests.append(name)
        faults = self.mirror.faults.get(name)
        fault = faults.pop(0) if faults else ""
        body = self.mirror.files.get(name, b"")
        if not body or fault == "missing":
            return self.send_error(404)
        if fault == "flipped":
            body = body[:-1] + bytes([body[-1] ^ 1])
        if fault == "silent":
            time.sleep(0.5)
        self.send_response(200)
        if fault not in ("no length", "endless"):
            self.send_header("Content-Length", str(10**9 if fault == "huge" else len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client has gone
            if fault == "endless":
                for _ in range(1000):
                    self.mirror.sent += self.wfile.write(bytes(1 << 16))
                return
            self.wfile.write(body[: len(body) // 2] if fault in ("cut", "stalled") else body)
            if fault == "stalled":
                time.sleep(0.5)


class Mirror:
    """A server on loopback: what it holds, what it was asked, how it fails."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.requests: list[str] = []
        self.faults: dict[str, list[str]] = {}
        self.sent = 0  # of an endless answer

    def __enter__(self) -> "Mirror":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"mirror": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/data"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def stand_in(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_frame((64, 80), seed=seed).permute(1, 2, 0).numpy()).save(buffer, "TIFF")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {name: stand_in(seed) for seed, name in enumerate(SHA256)}


@pytest.fixture
def mirror(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """The mirror of thirty drawn frames, whose digests stand in for the published ones."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(samples, "SHA256", digests)
    with Mirror(files) as server:
        yield server


def fetch(root: Path, mirror: Mirror) -> LAGSamples:
    return LAGSamples(root, download=True, base_url=mirror.url, timeout=5)


def left(root: Path) -> set[str]:
    """What lies in a folder beside frames and the lock."""
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    return names - set(SHA256) - {".lock"}


def test_the_published_digests(shared: Path) -> None:
    lines = (shared / "reference" / "lag_samples.sha256").read_text().splitlines()
    assert {name: digest for digest, name in map(str.split, lines)} == SHA256
    assert samples.BASE_URL == "https://raw.githubusercontent.com/fengcherenxi/LAG/main/data"


def test_fetched_once(tmp_path: Path, mirror: Mirror) -> None:
    found = fetch(tmp_path, mirror)
    assert sorted(mirror.requests) == sorted(SHA256)
    assert not left(tmp_path)
    mirror.requests.clear()
    (tmp_path / ".lock").unlink()
    fetch(tmp_path, mirror)
    assert not mirror.requests
    assert not (tmp_path / ".lock").exists()  # a whole folder may be read-only
    assert LAGSamples(tmp_path).samples == found.samples


def test_a_data_set(tmp_path: Path, mirror: Mirror) -> None:
    found = fetch(tmp_path, mirror)
    assert len(found) == len(found.samples) == 30
    assert found.classes == ("normal", "GA", "IM")
    assert found.class_to_idx == {"normal": 0, "GA": 1, "IM": 2}
    assert found.modalities == ["wli"] * 15 + ["lci"] * 15
    assert found.targets == [target for _, target in found.samples] == ([0] * 5 + [1] * 5 + [2] * 5) * 2
    for (pixels, target), seed in zip(found, range(30), strict=True):
        assert torch.equal(pixels, draw_frame((64, 80), seed=seed))
        assert Path(found.samples[seed][0]).parent.name.endswith(found.classes[target])
    with pytest.raises(IndexError):
        found[30]
    doubled = LAGSamples(tmp_path, transform=lambda pixels: pixels.shape, target_transform=lambda n: 10 * n)
    assert doubled[-1] == ((3, 64, 80), 20)


def test_also_a_folder_by_modality_and_label(tmp_path: Path, mirror: Mirror) -> None:
    found = fetch(tmp_path, mirror)
    manifest = open_data(tmp_path, labels=found.classes)
    told = dict(
        zip(
            (str(p) for p in manifest.paths()),
            zip(manifest.targets(), manifest.column("modality"), strict=True),
            strict=True,
        )
    )
    assert {path: (int(target), modality) for path, (target, modality) in told.items()} == {
        path: (target, modality)
        for (path, target), modality in zip(found.samples, found.modalities, strict=True)
    }


class TestBrokenOff:
    @pytest.mark.parametrize("fault", ["cut", "stalled"])
    def test_is_asked_for_again(self, tmp_path: Path, mirror: Mirror, fault: str) -> None:
        mirror.faults[TWO] = [fault]
        LAGSamples(tmp_path, download=True, base_url=mirror.url, timeout=0.2)
        assert mirror.requests.count(TWO) == 2
        assert not left(tmp_path)

    def test_time_and_again(self, tmp_path: Path, mirror: Mirror) -> None:
        """What came before is kept, and the next call goes on after it."""
        mirror.faults[TWO] = ["cut"] * 3
        with pytest.raises(DownloadError, match=r"broke off after \d+ of \d+ bytes.*Ways on"):
            fetch(tmp_path, mirror)
        assert not left(tmp_path)
        assert not (tmp_path / TWO).exists()
        mirror.requests.clear()
        fetch(tmp_path, mirror)
        assert TWO in mirror.requests
        assert ONE not in mirror.requests

    def test_without_a_length(self, tmp_path: Path, mirror: Mirror) -> None:
        mirror.faults[ONE] = ["no length"]
        assert len(fetch(tmp_path, mirror)) == 30


class TestRefused:
    def test_other_bytes(self, tmp_path: Path, mirror: Mirror) -> None:
        mirror.faults[LAST] = ["flipped"] * 9
        with pytest.raises(DownloadError, match="other bytes came than the published ones"):
            fetch(tmp_path, mirror)
        assert not (tmp_path / LAST).exists()
        assert not left(tmp_path)
        assert mirror.requests.count(LAST) == 1

    @pytest.mark.parametrize("fault", ["huge", "endless"])
    def test_too_large(self, tmp_path: Path, mirror: Mirror, fault: str) -> None:
        mirror.faults = {name: [fault] for name in SHA256}
        with pytest.raises(DownloadError, match="a frame has at most"):
            fetch(tmp_path, mirror)
        assert not left(tmp_path)
        assert len(mirror.requests) == 1
        assert mirror.sent < 1000 << 16

    def test_not_found(self, tmp_path: Path, mirror: Mirror) -> None:
        mirror.faults[LAST] = ["missing"]
        with pytest.raises(
            DownloadError, match=f"{LAST} cannot be had: the server says 404 Not Found.*mirror"
        ):
            fetch(tmp_path, mirror)
        fetch(tmp_path, mirror)

    def test_no_server(self, tmp_path: Path) -> None:
        with Mirror({}) as gone:
            pass
        with pytest.raises(DownloadError, match=r"does not answer.*[Cc]onnection refused.*base_url="):
            fetch(tmp_path, gone)

    def test_a_silent_server(self, tmp_path: Path, mirror: Mirror) -> None:
        mirror.faults = {name: ["silent"] for name in SHA256}
        with pytest.raises(DownloadError, match=r"does not answer.*timed out"):
            LAGSamples(tmp_path, download=True, base_url=mirror.url, timeout=0.1)

    def test_nowhere_to_write(self, tmp_path: Path, mirror: Mirror) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(DownloadError, match="cannot be written to"):
            fetch(tmp_path / "file", mirror)

    def test_bad_arguments(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidConfigError, match="http:// or https://"):
            LAGSamples(tmp_path, download=True, base_url=tmp_path.as_uri())
        with pytest.raises(InvalidConfigError, match="timeout"):
            LAGSamples(tmp_path, download=True, timeout=0)


def test_offline_frames_that_are_not_right(tmp_path: Path, mirror: Mirror) -> None:
    fetch(tmp_path, mirror)
    (tmp_path / TWO).write_bytes(mirror.files[ONE])
    with pytest.raises(DataError, match=f"1 of 30 sample frames have other bytes .*{TWO}.*download=True"):
        LAGSamples(tmp_path)
    mirror.requests.clear()
    fetch(tmp_path, mirror)
    assert mirror.requests == [TWO]
    assert (tmp_path / f"{TWO}.damaged").read_bytes() == mirror.files[ONE]
    (tmp_path / LAST).unlink()
    with pytest.raises(DataError, match=f"1 of 30 sample frames are not in .*{LAST}"):
        LAGSamples(tmp_path)


def test_two_at_once(tmp_path: Path, mirror: Mirror) -> None:
    """The second waits for the first, and then has nothing to fetch."""
    threads = [threading.Thread(target=fetch, args=(tmp_path, mirror)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mirror.requests) == 30
    assert len(LAGSamples(tmp_path)) == 30


def test_the_real_frames(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those at hand, one a folder is fetched under its published digest; all are right where they lie."""
    at_hand = {name: digest for name, digest in SHA256.items() if (shared / "samples" / name).is_file()}
    assert len(at_hand) >= 24
    monkeypatch.setattr(samples, "SHA256", at_hand)
    assert len(LAGSamples(shared / "samples")) == len(at_hand)
    few = {name: digest for name, digest in at_hand.items() if name.endswith("/1.TIF")}
    monkeypatch.setattr(samples, "SHA256", few)
    with Mirror({name: (shared / "samples" / name).read_bytes() for name in few}) as mirror:
        mirror.faults[ONE] = ["cut"]
        found = fetch(tmp_path, mirror)
    assert found.targets == [0, 1, 2, 0, 1, 2]
    assert all(pixels.shape == (3, 1024, 1280) and pixels.dtype == torch.uint8 for pixels, _ in found)
