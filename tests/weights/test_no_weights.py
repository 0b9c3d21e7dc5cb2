"""Weights that nobody has: the cache is looked into, the Hub is asked once and briefly, and the ways on are named."""

import io
import logging
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import close_session
from PIL import Image
from safetensors.torch import save_file

import lag_zoo
from lag_zoo.catalogue import NO_GASTRIC_WEIGHTS
from lag_zoo.cli import main
from lag_zoo.errors import WeightsIntegrityError, WeightsNotFoundError
from lag_zoo.weights import hub as client
from tests.hub_fixture import FreshHub
from tests.hub_store import Kind
from tests.networks import equal

NAME = "lag_mobilenetv3_small_100_lci"
BACKBONE = "timm/mobilenetv3_small_100.lamb_in1k"
ASKED = {True: f"lag-zoo/{NAME}", "backbone": BACKBONE}
"""Which repository each kind of `pretrained` asks for."""

each_kind = pytest.mark.parametrize("pretrained", ASKED)


def refused(pretrained: bool | str, name: str = NAME, **options: object) -> WeightsNotFoundError:
    """The error, after it is sure that it came in time."""
    began = time.monotonic()
    with pytest.raises(WeightsNotFoundError) as caught:
        lag_zoo.create_model(name, pretrained=pretrained, **options)  # type: ignore[arg-type]
    assert time.monotonic() - began < 15  # the client's own tries take 23 seconds and more
    return caught.value


@pytest.fixture
def silence(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing is written on the screen, and nothing reaches the client's own handler, which writes there."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logging.getLogger("huggingface_hub").addHandler(handler)
    yield
    logging.getLogger("huggingface_hub").removeHandler(handler)
    assert (*capfd.readouterr(), written.getvalue()) == ("", "", "")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PATIENCE", 0.4)


@pytest.fixture
def published(hub: FreshHub, tmp_path: Path) -> lag_zoo.LAG:
    """What the Hub holds under both names."""
    torch.manual_seed(1)
    model = lag_zoo.create_model(NAME)
    hub.add_folder(f"lag-zoo/{NAME}", lag_zoo.save_pretrained(model, tmp_path / "own"))
    save_file(model.backbone.state_dict(), tmp_path / "backbone.safetensors")
    hub.add(BACKBONE, {"model.safetensors": tmp_path / "backbone.safetensors"})
    return model


def asked(hub: FreshHub, pretrained: bool | str) -> list[str]:
    """The methods of the requests; the client's own to `/api/agent-harnesses`, once a day, are not counted."""
    return [method for method, _ in hub.asked(f"/{ASKED[pretrained]}/*")]


@pytest.mark.usefixtures("silence")
class TestAskedOnce:
    @each_kind
    def test_no_repository(self, hub: FreshHub, pretrained: bool | str) -> None:
        hub.warning = f"{pretrained}; You are sending unauthenticated requests"
        error = refused(pretrained)
        assert asked(hub, pretrained) == ["HEAD"]
        assert f"hf-hub:{ASKED[pretrained]} (missing: there is no such repository" in error.reason

    @each_kind
    @pytest.mark.parametrize(
        ("fault", "options", "words"),
        [
            ("reset", {}, "server: it does not answer"),
            ("status", {"status": 503}, "server: it answers 503: a fault"),
            ("status", {"status": 429}, "server: it answers 429"),
            ("status", {"status": 401, "code": "GatedRepo"}, "gated: ask for access"),
        ],
    )
    def test_a_server_that_fails(
        self, hub: FreshHub, pretrained: bool | str, fault: Kind, options: dict[str, object], words: str
    ) -> None:
        hub.fail(fault, f"/{ASKED[pretrained]}/*", **options)
        assert words in refused(pretrained).reason
        assert asked(hub, pretrained) == ["HEAD"]

    @each_kind
    @pytest.mark.parametrize("fault", ["stall", "drip"])
    @pytest.mark.usefixtures("hasty")
    def test_a_server_that_keeps_one_waiting(
        self, hub: FreshHub, pretrained: bool | str, fault: Kind
    ) -> None:
        hub.fail(fault, seconds=3.0)
        assert "server: " in refused(pretrained).reason
        assert len(asked(hub, pretrained)) <= 1  # on a slow machine it may not have come

    @each_kind
    def test_nobody_at_the_port(self, hub: FreshHub, pretrained: bool | str) -> None:
        hub.close()
        assert "server: it does not answer: " in refused(pretrained).reason

    @each_kind
    @pytest.mark.parametrize("seconds", [0, 2])
    @pytest.mark.usefixtures("hub", "hasty")
    def test_a_server_whose_name_nobody_knows(
        self, monkeypatch: pytest.MonkeyPatch, pretrained: bool | str, seconds: float
    ) -> None:
        def unknown(*args: object, **kwargs: object) -> None:
            time.sleep(seconds)
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        assert "server: " in refused(pretrained).reason

    @each_kind
    @pytest.mark.parametrize("by", ["HF_HUB_OFFLINE", "local_files_only"])
    def test_no_request_is_made_where_none_may_be(
        self, hub: FreshHub, monkeypatch: pytest.MonkeyPatch, pretrained: bool | str, by: str
    ) -> None:
        if by == "HF_HUB_OFFLINE":
            monkeypatch.setattr(constants, by, True)
        error = refused(pretrained, local_files_only=by == "local_files_only")
        assert f"(offline: {by} is set, and the cache does not hold it)" in error.reason
        assert hub.requests == []

    @pytest.mark.usefixtures("hub")
    def test_something_else_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Such as the page on which a guest of a network logs in."""
        nothing = SimpleNamespace(commit_hash=None)
        monkeypatch.setattr(client, "get_hf_file_metadata", lambda *args, **options: nothing)
        assert "is no Hub" in refused(True).reason


class TestCached:
    @each_kind
    def test_without_any_request(self, hub: FreshHub, published: lag_zoo.LAG, pretrained: bool | str) -> None:
        first = lag_zoo.create_model(NAME, pretrained=pretrained)
        assert equal(first.backbone, published.backbone)
        hub.requests.clear()
        assert equal(lag_zoo.create_model(NAME, pretrained=pretrained).backbone, published.backbone)
        assert hub.requests == []
        hub.close()
        assert equal(lag_zoo.create_model(NAME, pretrained=pretrained).backbone, published.backbone)

    @each_kind
    def test_half_a_download_is_finished(
        self, hub: FreshHub, published: lag_zoo.LAG, pretrained: bool | str
    ) -> None:
        lag_zoo.create_model(NAME, pretrained=pretrained)
        for path in hub.cache.rglob("model.safetensors"):
            path.unlink()
        assert equal(lag_zoo.create_model(NAME, pretrained=pretrained).backbone, published.backbone)

    @each_kind
    def test_damaged(self, hub: FreshHub, published: lag_zoo.LAG, pretrained: bool | str) -> None:
        """Fetched anew where there is a Hub; and where there is none, that is the error."""
        for there in (True, False):
            lag_zoo.create_model(NAME, pretrained=pretrained)
            (path,) = hub.cache.rglob("model.safetensors")
            data = bytearray(path.read_bytes())
            data[-100] ^= 1
            path.resolve().write_bytes(data)
            if there:
                assert equal(lag_zoo.create_model(NAME, pretrained=pretrained).backbone, published.backbone)
        hub.close()
        close_session()
        with pytest.raises(WeightsIntegrityError, match="set aside"):
            lag_zoo.create_model(NAME, pretrained=pretrained)


class TestTheMessage:
    """Short, and in this order: no weights and why, what the Hub said, the ways on."""

    def test_of_a_gastric_name(self) -> None:
        message = str(refused(True, "lag_resnet50_lci"))
        parts = [
            "lag_resnet50_lci has no weights in this version. ",
            NO_GASTRIC_WEIGHTS,
            "Nor does the Hub give hf-hub:lag-zoo/lag_resnet50_lci (offline: HF_HUB_OFFLINE is set",
            "Ways on: ",
            "pretrained='backbone'",
            "`lag-zoo train finetune DATA --model lag_resnet50_lci`",
            "pretrained='local-dir:...' or 'hf-hub:...'",
            "lag_zoo.list_models(pretrained=True)",
        ]
        places = [message.find(part) for part in parts]
        assert -1 not in places
        assert places == sorted(places)
        assert len(message) < 700

    def test_of_an_architecture(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LAG_ZOO_NAMESPACE", "clinic")
        error = refused(True, "lag_mobilenetv3_small_050", num_classes=2)
        assert "hf-hub:clinic/lag_mobilenetv3_small_050" in error.reason
        assert NO_GASTRIC_WEIGHTS not in str(error)

    def test_a_way_that_is_none_is_not_named(self) -> None:
        """torchvision publishes no safetensors."""
        assert "backbone" not in str(refused(True, "lag_googlenet_wli"))

    @pytest.mark.parametrize("name", [NAME, "lag_googlenet_wli", "lag_test_vit"])
    def test_of_a_backbone(self, name: str) -> None:
        error = refused("backbone", name, num_classes=2)
        for way in ("backbone_weights=FILE", "pretrained=False", "lag_zoo.list_models(pretrained=True)"):
            assert way in str(error)
        assert "Ways on" not in error.reason

    @pytest.mark.parametrize(
        "arguments", [["predict", "{data}", "--model", NAME], ["evaluate", NAME, "{data}"]]
    )
    def test_of_the_commands(
        self,
        arguments: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        for label in ("normal", "GA", "IM"):
            (tmp_path / label).mkdir()
            Image.new("RGB", (300, 200), "pink").save(tmp_path / label / "a.png")
        filled = [argument.format(data=tmp_path) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["lag-zoo", *filled])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capfd.readouterr()
        assert (caught.value.code, out) == (2, "")
        # A slow start is shown first.
        assert f"\nlag-zoo: {NAME} has no weights in this version. " in f"\n{err}"
        assert "lag-zoo train finetune DATA" in err
