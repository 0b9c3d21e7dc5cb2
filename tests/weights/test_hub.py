"""Weights from the Hub, through its unmodified client: right, or an error of ours; never raw, endless or wrong."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants

import lag_zoo
from lag_zoo.errors import (
    HubWarning,
    InvalidConfigError,
    PublishError,
    WeightsError,
    WeightsIntegrityError,
    WeightsMismatchError,
    WeightsNotFoundError,
)
from tests.hub_server import HubServer
from tests.networks import equal, small

# The client's own way of sending a file, which its HTTP library would have otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

BUILT_IN = "lag_tf_efficientnet_lite0_polyp"
REPO = "clinic/my-lag"
ABOUT = lag_zoo.About(
    training_data=(lag_zoo.DatasetRef("drawn-frames"),),
    licence="Apache-2.0",
    intended_use="Tests.",
    limits=("Not a medical device.",),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lag_zoo.save_pretrained(small(), tmp_path / "my-lag", about=ABOUT)


@pytest.fixture
def published(hub: HubServer, folder: Path) -> str:
    hub.add_folder(REPO, folder)
    return f"hf-hub:{REPO}"


def blobs() -> list[Path]:
    return [p for p in Path(constants.HF_HUB_CACHE).glob("*/blobs/*") if p.suffix == ""]


class TestLoading:
    def test_bit_equal(self, published: str) -> None:
        model = lag_zoo.create_model(published, pretrained=True).eval()
        assert equal(model, small())
        frames = torch.randint(60, 256, (2, 3, 200, 240), dtype=torch.uint8)
        assert torch.equal(model(frames), small()(frames))
        assert model.label_names == ("normal", "IM")
        report = model.load_report
        assert report is not None
        assert report.revision is not None
        assert len(report.revision) == 40
        assert (report.missing, report.unexpected) == ((), ())

    def test_large_files_elsewhere(self, hub: HubServer, published: str) -> None:
        """As on the real Hub, which sends the client to another host for them."""
        hub.redirect = True
        assert equal(lag_zoo.create_model(published, pretrained=True), small())
        assert len(hub.asked("/lfs/*")) == 2  # the weights and the example that goes with them

    def test_a_pinned_revision_asks_once(self, hub: HubServer, published: str) -> None:
        revision = hub.repositories[REPO].branches["main"]
        hub.commit(REPO, {"README.md": b"later"})
        first = lag_zoo.create_model(f"{published}@{revision}", pretrained=True)
        hub.requests.clear()
        second = lag_zoo.create_model(published, pretrained=True, revision=revision)
        assert hub.asked(f"/{REPO}/*") == []
        assert equal(first, second)

    def test_untrained_needs_the_configuration_only(self, hub: HubServer, published: str) -> None:
        model = lag_zoo.create_model(published)
        assert model.config == small().config
        assert model.load_report is None
        assert hub.asked("*.safetensors") == []

    def test_by_timm_too(self, published: str) -> None:
        lag_zoo.register_with_timm()
        model = timm.create_model(published, pretrained=True)
        assert isinstance(model, lag_zoo.LAG)
        assert equal(model, small())

    def test_all_files_are_of_one_commit(self, hub: HubServer, published: str, folder: Path) -> None:
        """What is pushed between two requests is not mixed in."""
        old = hub.repositories[REPO].branches["main"]
        lag_zoo.create_model(published, pretrained=True)
        assert {path.rsplit("/", 2)[1] for _, path in hub.asked("*/model.safetensors")} == {old}

    def test_the_conventional_repository(
        self, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = "lag_mobilenetv3_small_100_lci"
        torch.manual_seed(3)
        seeded = lag_zoo.create_model(name)
        hub.add_folder(f"lag-zoo/{name}", lag_zoo.save_pretrained(seeded, tmp_path / name))
        assert equal(lag_zoo.create_model(name, pretrained=True), seeded)
        monkeypatch.setenv("LAG_ZOO_NAMESPACE", "mirror")
        with pytest.raises(WeightsNotFoundError, match=rf"mirror/{name} \(missing"):
            lag_zoo.create_model(name, pretrained=True)

    def test_another_architecture_under_the_name_is_refused(self, hub: HubServer, folder: Path) -> None:
        hub.add_folder("lag-zoo/lag_mobilenetv3_small_100_lci", folder)
        with pytest.raises(
            WeightsMismatchError, match=r"another network than .*: backbone 'mobilenetv3_small_050"
        ):
            lag_zoo.create_model("lag_mobilenetv3_small_100_lci", pretrained=True)

    def test_offline_after_one_download(self, published: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(WeightsNotFoundError, match="offline: local_files_only is set"):
            lag_zoo.create_model(published, pretrained=True, local_files_only=True)
        lag_zoo.create_model(published, pretrained=True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert equal(lag_zoo.create_model(published, pretrained=True), small())

    def test_a_cache_of_its_own(self, published: str, tmp_path: Path) -> None:
        lag_zoo.create_model(published, pretrained=True, cache_dir=tmp_path / "elsewhere")
        assert blobs() == []
        assert list((tmp_path / "elsewhere").glob("*/blobs/*"))

    def test_a_read_only_cache(self, published: str) -> None:
        lag_zoo.create_model(published, pretrained=True)
        cache = Path(constants.HF_HUB_CACHE)
        for path in [cache, *cache.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)
        try:
            assert equal(lag_zoo.create_model(published, pretrained=True), small())
        finally:
            for path in [cache, *cache.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | 0o700)

    def test_four_processes_at_once(self, hub: HubServer, published: str) -> None:
        code = f"import lag_zoo; lag_zoo.create_model({published!r}, pretrained=True)"
        running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
        assert [process.wait(120) for process in running] == [0] * 4
        assert equal(lag_zoo.create_model(published, pretrained=True), small())

    def test_killed_in_the_middle(self, hub: HubServer, published: str) -> None:
        hub.fail("slow", "*/model.safetensors", method="GET", after=400_000, times=1)
        code = f"import lag_zoo; lag_zoo.create_model({published!r}, pretrained=True)"
        process = subprocess.Popen([sys.executable, "-c", code])
        while not [r for r in hub.asked("*/model.safetensors") if r[0] == "GET"]:
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert equal(lag_zoo.create_model(published, pretrained=True), small())


class TestPublishing:
    def test_push_then_load_elsewhere(self, hub: HubServer, tmp_path: Path) -> None:
        """The built-in weights, published and loaded back by another process: bit-equal, with what is vouched for."""
        model = lag_zoo.create_model(BUILT_IN, pretrained=True)
        address = lag_zoo.push_to_hub(model, REPO, private=False)
        assert address.startswith(hub.url)
        assert sorted(hub.repositories[REPO].commits[hub.repositories[REPO].branches["main"]]) == [
            ".gitattributes", "README.md", "config.json", "golden.safetensors", "model.safetensors",
        ]  # fmt: skip
        code = (
            "import lag_zoo, torch, sys; "
            f"a = lag_zoo.create_model('hf-hub:{REPO}', pretrained=True); "
            f"b = lag_zoo.create_model('{BUILT_IN}', pretrained=True); "
            "x, y = a.state_dict(), b.state_dict(); "
            "assert x.keys() == y.keys() and all(torch.equal(x[k], y[k]) for k in x); "
            "assert a.weight_spec.results == b.weight_spec.results; "
            f"print(lag_zoo.verify('hf-hub:{REPO}'))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert float(done.stdout) < 1e-3

    def test_a_hundred_megabytes(self, hub: HubServer, root: Path) -> None:
        """Published under the name of an entry of the zoo, and loaded by that name on each of the ways."""
        lag_zoo.register_with_timm()
        name = "lag_resnet50_lci"
        torch.manual_seed(0)
        model = lag_zoo.create_model(name)
        lag_zoo.push_to_hub(model, f"lag-zoo/{name}", about=ABOUT)
        loaded = lag_zoo.create_model(name, pretrained=True)
        assert equal(loaded, model)
        assert loaded.load_report is not None
        assert loaded.load_report.path.stat().st_size > 90_000_000
        assert equal(torch.hub.load(str(root), name, source="local", pretrained=True), model)
        assert equal(timm.create_model(name, pretrained=True), model)
        assert equal(lag_zoo.create_model(f"hf-hub:lag-zoo/{name}", pretrained=True), model)
        assert len([method for method, _ in hub.asked("*/model.safetensors") if method == "GET"]) == 1

    def test_to_a_branch(self, hub: HubServer, folder: Path) -> None:
        lag_zoo.push_to_hub(folder, REPO, revision="trial", commit_message="A trial")
        assert equal(lag_zoo.create_model(f"hf-hub:{REPO}@trial", pretrained=True), small())
        with pytest.raises(WeightsNotFoundError, match="no such file"):
            lag_zoo.create_model(f"hf-hub:{REPO}", pretrained=True)

    def test_an_incomplete_card_is_named_before_anything_is_sent(self, hub: HubServer) -> None:
        with pytest.raises(InvalidConfigError, match="limits is empty") as caught:
            lag_zoo.push_to_hub(small(), REPO)
        for field in ("licence", "training_data", "intended_use"):
            assert f"{field} is empty: --" in str(caught.value)
        assert hub.requests == []

    def test_a_folder_that_was_tampered_with(self, hub: HubServer, folder: Path) -> None:
        damage(folder / "model.safetensors")
        with pytest.raises(WeightsIntegrityError, match="SHA-256"):
            lag_zoo.push_to_hub(folder, REPO)
        assert hub.requests == []

    def test_a_licence_without_derivatives(self, hub: HubServer) -> None:
        about = lag_zoo.About(**{**vars(ABOUT), "backbone_licence": "CC-BY-NC-ND-4.0"})
        with pytest.raises(InvalidConfigError, match=r"CC-BY-NC-ND-4\.0, which forbids derivatives"):
            lag_zoo.push_to_hub(small(), REPO, about=about)
        assert hub.requests == []
        lag_zoo.push_to_hub(small(), REPO, about=about, licence_exception="The authors agreed on 2026-11-01.")

    @pytest.mark.usefixtures("impatient")
    def test_a_hub_that_fails(self, hub: HubServer, folder: Path) -> None:
        hub.fail("status", "/api/repos/create", status=403)
        with pytest.raises(PublishError, match=r"clinic/my-lag was not published: .*403"):
            lag_zoo.push_to_hub(folder, REPO)


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(0, 0))


@pytest.mark.usefixtures("impatient")
class TestFaults:
    """Each row of what can go wrong ends in the right weights, or in an error of ours that says what to do."""

    @pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
    def test_flipped_bytes_once(self, hub: HubServer, published: str, file: str) -> None:
        hub.fail("corrupt", f"*/{file}", method="GET", times=1)
        assert equal(lag_zoo.create_model(published, pretrained=True), small())
        assert list(Path(constants.HF_HUB_CACHE).glob("*/blobs/*.damaged"))

    @pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
    def test_flipped_bytes_always(self, hub: HubServer, published: str, file: str) -> None:
        hub.fail("corrupt", f"*/{file}", method="GET")
        with pytest.raises(WeightsIntegrityError):
            lag_zoo.create_model(published, pretrained=True)

    def test_flipped_bytes_in_the_cache(self, published: str) -> None:
        lag_zoo.create_model(published, pretrained=True)
        damage(max(blobs(), key=lambda path: path.stat().st_size))
        assert equal(lag_zoo.create_model(published, pretrained=True), small())

    def test_flipped_bytes_in_the_cache_and_offline(self, published: str) -> None:
        lag_zoo.create_model(published, pretrained=True)
        damage(max(blobs(), key=lambda path: path.stat().st_size))
        with pytest.raises(
            WeightsIntegrityError, match=r"set aside as .*damaged, and another copy cannot be had"
        ):
            lag_zoo.create_model(published, pretrained=True, local_files_only=True)

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"status": 500}, "server: "),
            ({"status": 503, "method": "GET"}, "server: "),
            ({"status": 401, "code": "GatedRepo"}, "gated: ask for access"),
            ({"status": 403, "code": "GatedRepo"}, "gated: ask for access"),
            ({"status": 404, "code": "RepoNotFound"}, "missing: there is no such repository"),
            ({"status": 404, "code": "EntryNotFound"}, "missing: the repository has no such file"),
        ],
    )  # fmt: skip
    def test_a_status(self, hub: HubServer, published: str, options: dict[str, object], reason: str) -> None:
        hub.fail("status", f"/{REPO}/*", **options)
        with pytest.raises(WeightsNotFoundError, match=reason) as caught:
            lag_zoo.create_model(published, pretrained=True)
        message = str(caught.value)
        assert f"of hf-hub:{REPO}" in message
        assert constants.HF_HUB_CACHE in message
        assert "Ways on" in message

    @pytest.mark.parametrize("method", ["HEAD", "GET"])
    def test_a_broken_connection(self, hub: HubServer, published: str, method: str) -> None:
        hub.fail("reset", f"/{REPO}/*", method=method)
        with pytest.raises(WeightsNotFoundError, match="server: "):
            lag_zoo.create_model(published, pretrained=True)

    def test_a_broken_connection_and_a_cached_copy(self, hub: HubServer, published: str) -> None:
        lag_zoo.create_model(published, pretrained=True)
        hub.fail("reset", f"/{REPO}/*")
        with pytest.warns(HubWarning, match="is the cached copy"):
            assert equal(lag_zoo.create_model(published, pretrained=True), small())

    def test_a_gate_and_a_cached_copy(self, hub: HubServer, published: str) -> None:
        """The client's own rule: what it holds it gives."""
        lag_zoo.create_model(published, pretrained=True)
        hub.repositories[REPO].gated = True
        assert equal(lag_zoo.create_model(published, pretrained=True), small())

    def test_a_failing_server_and_a_cached_copy(self, hub: HubServer, published: str) -> None:
        lag_zoo.create_model(published, pretrained=True)
        hub.fail("status", f"/{REPO}/*", status=500)
        assert equal(lag_zoo.create_model(published, pretrained=True), small())

    def test_a_body_cut_once(self, hub: HubServer, published: str) -> None:
        hub.fail("cut", "*/model.safetensors", method="GET", times=1, after=100_000)
        assert equal(lag_zoo.create_model(published, pretrained=True), small())

    @pytest.mark.parametrize("stubborn", [False, True])
    def test_a_body_always_cut(self, hub: HubServer, published: str, stubborn: bool) -> None:
        hub.fail(
            "cut", "*/model.safetensors", method="GET", after=100_000 if stubborn else 0, stubborn=stubborn
        )
        with pytest.raises(WeightsNotFoundError, match="server: "):
            lag_zoo.create_model(published, pretrained=True)

    def test_a_body_cut_past_the_first_piece_and_never_resumed(self, hub: HubServer, folder: Path) -> None:
        """The client starts anew for ever, since each time something came; its pieces are of 10 MiB."""
        files: dict[str, bytes | Path] = {path.name: path for path in folder.iterdir()}
        hub.add(REPO, {**files, "model.safetensors": bytes(25 << 20)})
        hub.fail("cut", "*/model.safetensors", method="GET", after=12 << 20, stubborn=True)
        with pytest.raises(WeightsNotFoundError, match="server: it never ends"):
            lag_zoo.create_model(f"hf-hub:{REPO}", pretrained=True)
        assert len(hub.asked("*/model.safetensors")) < 20

    def test_another_size_than_announced(self, hub: HubServer, published: str) -> None:
        hub.fail("wrong size", "*/model.safetensors")
        with pytest.raises(WeightsNotFoundError, match="server: "):
            lag_zoo.create_model(published, pretrained=True)

    def test_no_repository(self, hub: HubServer) -> None:
        with pytest.raises(WeightsNotFoundError, match="missing: there is no such repository"):
            lag_zoo.create_model("hf-hub:clinic/nothing", pretrained=True)

    def test_no_revision(self, published: str) -> None:
        with pytest.raises(WeightsNotFoundError, match="has no revision v9"):
            lag_zoo.create_model(published, pretrained=True, revision="v9")

    def test_a_private_repository(
        self, hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.add(REPO, {path.name: path for path in folder.iterdir()}, private=True)
        with pytest.raises(WeightsNotFoundError, match="or it is private and you are not logged in"):
            lag_zoo.create_model(f"hf-hub:{REPO}", pretrained=True)
        hub.token = "hf_right"
        monkeypatch.setenv("HF_TOKEN", hub.token)
        assert equal(lag_zoo.create_model(f"hf-hub:{REPO}", pretrained=True), small())

    def test_no_server_at_all(self, hub: HubServer, published: str) -> None:
        hub.close()
        with pytest.raises(WeightsNotFoundError, match="server: it does not answer"):
            lag_zoo.create_model(published, pretrained=True)

    def test_a_full_disk(self, published: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*args: object, **kwargs: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
        with pytest.raises(WeightsNotFoundError, match="disk: No space left on device"):
            lag_zoo.create_model(published, pretrained=True)

    def test_a_name_that_is_none(self, hub: HubServer) -> None:
        with pytest.raises(InvalidConfigError, match="org/name"):
            lag_zoo.create_model("hf-hub:a/b/c", pretrained=True)


STRANGE: dict[str, Callable[[Path], object]] = {
    "no config": lambda folder: (folder / "config.json").unlink(),
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "timm's config": lambda folder: (folder / "config.json").write_text('{"architecture": "resnet18"}'),
    "empty config": lambda folder: (folder / "config.json").write_bytes(b""),
    "deep config": lambda folder: (folder / "config.json").write_text("[" * 100_000),
    "huge config": lambda folder: (folder / "config.json").write_text('"' + "x" * 2_000_000 + '"'),
    "a class": lambda folder: edit(folder, '"backbone": "mobilenetv3_small_050"', '"backbone": "os.system"'),
    "an argument": lambda folder: edit(
        folder, '"backbone_args": {}', '"backbone_args": {"checkpoint_path": "/x"}'
    ),
    "a file elsewhere": lambda folder: edit(folder, '"golden.safetensors": "', '"../../x.safetensors": "'),
    "too many crops": lambda folder: edit(folder, '"num_crops": 2', '"num_crops": 100000000'),
    "wider layers": lambda folder: edit(folder, '"hidden_dim": 256', '"hidden_dim": 65536'),
    "other labels": lambda folder: edit(folder, '"IM"', '"GA"', count=1),
}


def edit(folder: Path, old: str, new: str, count: int = -1) -> None:
    text = (folder / "config.json").read_text()
    head, mark, rest = text.partition('"lag_zoo"')
    assert old in rest
    (folder / "config.json").write_text(head + mark + rest.replace(old, new, count))


@pytest.mark.parametrize("case", STRANGE)
def test_a_strangers_repository_is_data(case: str, folder: Path, tmp_path: Path) -> None:
    strange = tmp_path / "strange"
    shutil.copytree(folder, strange)
    STRANGE[case](strange)
    with pytest.raises(WeightsError):
        lag_zoo.create_model(f"local-dir:{strange}", pretrained=True)
