"""The Hub on loopback is one to its unmodified client: what it is asked for, what it keeps, and how it fails."""

import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import HfApi, constants, errors, hf_hub_download, snapshot_download
from packaging.version import Version

from tests.hub_fixture import FreshHub

# The client's own way of sending a file, which its HTTP library would have otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "clinic/net"
R, A = f"/{REPO}/resolve", f"/api/models/{REPO}"
CONFIG = b'{"architecture": "net"}'
WEIGHTS = random.Random(0).randbytes(300_000)
FILES = {"config.json": CONFIG, "sub/model.safetensors": WEIGHTS}
MIB = 1 << 20


@pytest.fixture
def sha(hub: FreshHub) -> str:
    """The commit of a repository on the server."""
    return hub.add(REPO, FILES)


@pytest.fixture
def api(hub: FreshHub) -> HfApi:
    return HfApi()


def get(name: str = "sub/model.safetensors", **options: object) -> bytes:
    return Path(hf_hub_download(REPO, name, **options)).read_bytes()  # type: ignore[arg-type]


def asked(hub: FreshHub) -> list[tuple[str, str]]:
    """The requests since the last time, less the one that each new process makes."""
    requests = [(method, path) for method, path in hub.requests if path != "/api/agent-harnesses"]
    hub.requests.clear()
    return requests


def run(hub: FreshHub, code: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**hub.environment(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class TestDownloading:
    def test_a_file(self, hub: FreshHub, sha: str) -> None:
        assert get() == WEIGHTS
        assert asked(hub) == [
            ("HEAD", f"{R}/main/sub/model.safetensors"),
            ("GET", f"{R}/main/sub/model.safetensors"),
        ]
        assert get("config.json") == CONFIG
        blobs = {path.name for path in hub.cache.glob("*/blobs/*")}
        assert blobs == {
            hashlib.sha256(WEIGHTS).hexdigest(),
            hashlib.sha1(b"blob %d\0" % len(CONFIG) + CONFIG).hexdigest(),
        }
        assert {path.name for path in hub.cache.glob("*/snapshots/*")} == {sha}

    def test_a_cached_file(self, hub: FreshHub, sha: str) -> None:
        get()
        asked(hub)
        assert get() == WEIGHTS
        assert asked(hub) == [("HEAD", f"{R}/main/sub/model.safetensors")]

    def test_a_pinned_revision_asks_nothing_once_cached(self, hub: FreshHub, sha: str) -> None:
        hub.commit(REPO, {"sub/model.safetensors": b"later"})
        assert get(revision=sha) == WEIGHTS
        hub.requests.clear()
        assert get(revision=sha) == WEIGHTS
        assert hub.requests == []
        assert get() == b"later"

    def test_a_snapshot(self, hub: FreshHub, sha: str) -> None:
        folder = Path(snapshot_download(REPO, max_workers=1))
        assert {name: (folder / name).read_bytes() for name in FILES} == FILES
        requests = asked(hub)
        assert requests[:2] == [("GET", f"{A}/revision/main"), ("GET", f"{A}/tree/{sha}")]
        assert sorted(requests[2:]) == sorted(
            (method, f"{R}/{sha}/{name}") for method in ("HEAD", "GET") for name in FILES
        )

    def test_the_rest_of_a_file(self, hub: FreshHub, sha: str) -> None:
        hub.fail("cut", "*.safetensors", method="GET", times=1, after=100_000)
        answers = []
        for start in (0, 100_000):
            with huggingface_hub.get_session().stream(
                "GET", f"{hub.url}{R}/main/sub/model.safetensors", headers={"Range": f"bytes={start}-"}
            ) as response:
                answers.append((response.status_code, response.headers.get("Content-Range")))
                if start:
                    assert response.read() == WEIGHTS[start:]
        assert answers == [(200, None), (206, "bytes 100000-299999/300000")]


class TestLookingUp:
    def test_model_info(self, hub: FreshHub, sha: str, api: HfApi) -> None:
        info = api.model_info(REPO)
        assert asked(hub) == [("GET", A)]
        assert (info.id, info.sha, info.private, info.gated) == (REPO, sha, False, False)
        assert {file.rfilename for file in info.siblings or ()} == FILES.keys()

    def test_the_tree(self, hub: FreshHub, sha: str, api: HfApi) -> None:
        entries = {entry.path: entry for entry in api.list_repo_tree(REPO, recursive=True)}
        assert asked(hub) == [("GET", f"{A}/tree/main")]
        large, small = entries["sub/model.safetensors"], entries["config.json"]
        assert (large.size, large.lfs.sha256) == (len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest())
        assert (small.size, small.lfs) == (len(CONFIG), None)

    def test_whether_things_exist(self, hub: FreshHub, sha: str, api: HfApi) -> None:
        assert api.file_exists(REPO, "config.json")
        assert not api.file_exists(REPO, "nothing.json")
        assert api.repo_exists(REPO)
        assert not api.repo_exists("clinic/nothing")
        assert api.revision_exists(REPO, sha)
        assert not api.revision_exists(REPO, "v9")
        assert asked(hub) == [
            ("HEAD", f"{R}/main/config.json"),
            ("HEAD", f"{R}/main/nothing.json"),
            ("GET", A),
            ("GET", "/api/models/clinic/nothing"),
            ("GET", f"{A}/revision/{sha}"),
            ("GET", f"{A}/revision/v9"),
        ]

    def test_the_functions_beside_the_class(self, sha: str) -> None:
        """They belong to an `HfApi` that was made when the client was imported."""
        assert huggingface_hub.model_info(REPO).sha == sha


class TestPublishing:
    def test_creating(self, hub: FreshHub, api: HfApi) -> None:
        address = api.create_repo(REPO, private=True)
        assert str(address) == f"{hub.url}/{REPO}"
        assert hub.repositories[REPO].private
        assert api.create_repo(REPO, exist_ok=True) == address
        with pytest.raises(errors.HfHubHTTPError, match="409"):
            api.create_repo(REPO)
        assert asked(hub) == [("POST", "/api/repos/create")] * 3

    def test_a_small_file(self, hub: FreshHub, sha: str, api: HfApi) -> None:
        done = api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=REPO)
        assert asked(hub) == [("POST", f"{A}/preupload/main"), ("POST", f"{A}/commit/main")]
        assert get("config.json") == b"{}"
        assert done.oid == api.model_info(REPO).sha
        assert get("config.json", revision=sha) == CONFIG

    def test_a_card(self, hub: FreshHub, sha: str, api: HfApi) -> None:
        card = b"---\nlicense: mit\n---\n# Net\n"
        api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=REPO)
        assert asked(hub)[0] == ("POST", "/api/validate-yaml")
        assert get("README.md") == card

    def test_a_large_file(self, hub: FreshHub, sha: str, api: HfApi) -> None:
        """By LFS; and what the server holds already is not sent again."""
        data = random.Random(1).randbytes(200_000)
        oid = hashlib.sha256(data).hexdigest()
        for name, sent in (("a.safetensors", True), ("b.safetensors", False)):
            hub.requests.clear()
            api.upload_file(path_or_fileobj=data, path_in_repo=name, repo_id=REPO)
            requests = asked(hub)
            assert requests[:2] == [
                ("POST", f"{A}/preupload/main"),
                ("POST", f"/{REPO}.git/info/lfs/objects/batch"),
            ]
            assert [path.endswith(oid) for method, path in requests if method == "PUT"] == [True] * sent
            assert requests[-1] == ("POST", f"{A}/commit/main")
            assert get(name) == data

    def test_a_folder_and_back(self, hub: FreshHub, api: HfApi, tmp_path: Path) -> None:
        here = tmp_path / "net"
        files = {**FILES, "model.safetensors": random.Random(2).randbytes(3 * MIB), "empty.txt": b""}
        for name, data in files.items():
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).write_bytes(data)
        api.create_repo(REPO)
        done = api.upload_folder(repo_id=REPO, folder_path=here)
        there = Path(snapshot_download(REPO, revision=done.oid, max_workers=1))
        assert {name: (there / name).read_bytes() for name in files} == files

    def test_deleting_leaves_the_past(self, sha: str, api: HfApi) -> None:
        api.delete_file("config.json", REPO)
        assert not api.file_exists(REPO, "config.json")
        assert get("config.json", revision=sha) == CONFIG

    def test_a_branch(self, sha: str, api: HfApi) -> None:
        api.create_branch(REPO, branch="v2")
        api.upload_file(path_or_fileobj=b"2", path_in_repo="config.json", repo_id=REPO, revision="v2")
        assert get("config.json", revision="v2") == b"2"
        assert get("config.json") == CONFIG

    def test_every_commit_stays(self, hub: FreshHub, sha: str) -> None:
        shas = [hub.commit(REPO, {"config.json": b"%d" % number}) for number in range(3)]
        assert len({*shas, sha}) == 4
        assert all(len(each) == 40 and int(each, 16) for each in shas)
        assert [get("config.json", revision=each) for each in shas] == [b"0", b"1", b"2"]


class TestProcesses:
    CODE = (
        "import hashlib, huggingface_hub as h, pathlib;"
        f"p = pathlib.Path(h.hf_hub_download({REPO!r}, 'sub/model.safetensors'));"
        "print(hashlib.sha256(p.read_bytes()).hexdigest())"
    )

    def test_four_at_once_into_one_cache(self, hub: FreshHub, sha: str) -> None:
        hub.fail("slow", "*.safetensors", method="GET", after=600_000)
        processes = [run(hub, self.CODE) for _ in range(4)]
        outputs = [process.communicate(timeout=60) for process in processes]
        assert [out.strip() for out, _ in outputs] == [hashlib.sha256(WEIGHTS).hexdigest()] * 4, outputs
        assert asked(hub).count(("GET", f"{R}/main/sub/model.safetensors")) == 1

    @pytest.mark.skipif(Version(huggingface_hub.__version__) < Version("2.4"), reason="asked since 2.4")
    def test_what_a_new_process_asks(self, hub: FreshHub, sha: str) -> None:
        out, err = run(hub, self.CODE).communicate(timeout=60)
        assert out, err
        assert hub.requests.count(("GET", "/api/agent-harnesses")) == 1

    def test_nothing_is_asked_offline(self, hub: FreshHub, sha: str) -> None:
        get()
        hub.requests.clear()
        out, err = run(hub, self.CODE, HF_HUB_OFFLINE="1").communicate(timeout=60)
        assert out.strip() == hashlib.sha256(WEIGHTS).hexdigest(), err
        assert hub.requests == []


@pytest.mark.usefixtures("impatient", "sha")
class TestFailing:
    def test_no_repository(self, api: HfApi) -> None:
        with pytest.raises(errors.RepositoryNotFoundError):
            hf_hub_download("clinic/nothing", "config.json")
        with pytest.raises(errors.RepositoryNotFoundError):
            api.model_info("clinic/nothing")

    def test_no_file(self) -> None:
        with pytest.raises(errors.RemoteEntryNotFoundError):
            get("nothing.json")

    def test_no_revision(self) -> None:
        with pytest.raises(errors.RevisionNotFoundError):
            get(revision="v9")

    def test_a_gate(self, hub: FreshHub, monkeypatch: pytest.MonkeyPatch) -> None:
        hub.add(REPO, FILES, gated=True)
        hub.token = "hf_right"
        with pytest.raises(errors.GatedRepoError):
            get()
        monkeypatch.setenv("HF_TOKEN", "hf_right")
        assert get() == WEIGHTS

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_gate_as_a_fault(self, hub: FreshHub, status: int) -> None:
        hub.fail("status", "*.safetensors", status=status, code="GatedRepo", times=1)
        with pytest.raises(errors.GatedRepoError):
            get()
        assert get() == WEIGHTS

    def test_a_private_repository(self, hub: FreshHub, monkeypatch: pytest.MonkeyPatch) -> None:
        hub.add(REPO, FILES, private=True)
        hub.token = "hf_right"
        for token in (None, "hf_wrong"):
            with pytest.raises(errors.RepositoryNotFoundError):
                get(token=token)
        assert get(token="hf_right") == WEIGHTS

    def test_5xx_on_head(self, hub: FreshHub) -> None:
        hub.fail("status", "*.safetensors", method="HEAD", status=503)
        with pytest.raises(errors.LocalEntryNotFoundError):
            get()
        assert asked(hub) == [("HEAD", f"{R}/main/sub/model.safetensors")] * 7

    def test_5xx_on_head_and_cached(self, hub: FreshHub) -> None:
        get()
        hub.fail("status", "*.safetensors", method="HEAD", status=503)
        assert get() == WEIGHTS

    @pytest.mark.parametrize("cached", [False, True])
    def test_a_reset_on_head(self, hub: FreshHub, cached: bool) -> None:
        if cached:
            get()
        hub.fail("reset", "*.safetensors", method="HEAD")
        with pytest.raises(errors.HTTPError) as caught:
            get()
        assert type(caught.value).__name__ in ("ReadError", "RemoteProtocolError")
        assert not isinstance(caught.value, OSError)

    def test_a_reset_on_get(self, hub: FreshHub) -> None:
        hub.fail("reset", "*.safetensors", method="GET", times=1)
        with pytest.raises(errors.HTTPError):
            get()
        assert get() == WEIGHTS

    def test_5xx_on_get(self, hub: FreshHub) -> None:
        hub.fail("status", "*.safetensors", method="GET", status=503)
        with pytest.raises(errors.HfHubHTTPError, match="503"):
            get()
        assert asked(hub).count(("GET", f"{R}/main/sub/model.safetensors")) == 1

    def test_429_on_get(self, hub: FreshHub) -> None:
        hub.fail("status", "*.safetensors", method="GET", status=429, times=2)
        assert get() == WEIGHTS
        assert asked(hub).count(("GET", f"{R}/main/sub/model.safetensors")) == 3

    def test_a_body_cut_once(self, hub: FreshHub) -> None:
        data = random.Random(3).randbytes(12 * MIB)  # the client writes every 10 MiB; less is asked for anew
        hub.commit(REPO, {"sub/model.safetensors": data})
        hub.fail("cut", "*.safetensors", method="GET", times=1, after=11 * MIB)
        assert get() == data
        assert asked(hub).count(("GET", f"{R}/main/sub/model.safetensors")) == 2

    def test_a_body_always_cut(self, hub: FreshHub) -> None:
        hub.fail("cut", "*.safetensors", method="GET", after=0)
        with pytest.raises(errors.HTTPError) as caught:
            get()
        assert type(caught.value).__name__ == "RemoteProtocolError"
        assert asked(hub).count(("GET", f"{R}/main/sub/model.safetensors")) == 6

    def test_a_body_cut_without_end(self, hub: FreshHub) -> None:
        """The client never gives up where it gets its 10 MiB each time and `Range` is ignored."""
        hub.commit(REPO, {"sub/model.safetensors": bytes(12 * MIB)})
        hub.fail("cut", "*.safetensors", method="GET", times=15, after=11 * MIB, stubborn=True)
        assert get() == bytes(12 * MIB)
        assert asked(hub).count(("GET", f"{R}/main/sub/model.safetensors")) == 16

    def test_another_size_than_announced(self, hub: FreshHub) -> None:
        hub.fail("wrong size", "*.safetensors")
        with pytest.raises(OSError, match="Consistency check failed"):
            get()

    def test_flipped_bytes(self, hub: FreshHub) -> None:
        """Accepted by the client without a word."""
        hub.fail("corrupt", "*.safetensors", method="GET", times=1)
        spoilt = get()
        assert len(spoilt) == len(WEIGHTS)
        assert spoilt != WEIGHTS
        assert get(force_download=True) == WEIGHTS

    def test_offline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(errors.LocalEntryNotFoundError) as caught:
            get()
        assert isinstance(caught.value.__cause__, errors.OfflineModeIsEnabled)

    def test_a_silence(self, hub: FreshHub) -> None:
        """Longer than the client waits for news of a file: it asks once more, with more patience."""
        hub.fail("stall", "*.safetensors", method="HEAD", seconds=0.5, times=1)
        assert get(etag_timeout=0.05) == WEIGHTS
        assert asked(hub)[:2] == [("HEAD", f"{R}/main/sub/model.safetensors")] * 2

    def test_slowly(self, hub: FreshHub) -> None:
        hub.fail("slow", "*.safetensors", method="GET", after=600_000)
        began = time.monotonic()
        assert get() == WEIGHTS
        assert 0.4 < time.monotonic() - began < 5

    def test_a_refused_upload(self, hub: FreshHub, api: HfApi) -> None:
        """Its body is read to the end first, so the answer arrives and the connection goes on."""
        hub.fail("status", "/lfs/*", method="PUT", status=403, times=1)
        upload = {"path_or_fileobj": os.urandom(2 * MIB), "path_in_repo": "a.safetensors", "repo_id": REPO}
        with pytest.raises(RuntimeError, match="Error while uploading") as caught:
            api.upload_file(**upload)  # type: ignore[arg-type]
        assert "403" in str(caught.value.__cause__)
        api.upload_file(**upload)  # type: ignore[arg-type]
        assert get("a.safetensors") == upload["path_or_fileobj"]


@pytest.fixture(scope="class")
def before() -> Iterator[dict[str, object]]:
    """The state outside all fixtures of a test, compared once those of the whole class are gone."""
    from huggingface_hub import hf_api
    from huggingface_hub.utils import _cache_manager

    def state() -> dict[str, object]:
        return {
            **{name: value for name, value in vars(constants).items() if name.isupper()},
            "copies": [hf_api.api.endpoint, _cache_manager.HF_HUB_CACHE],
            "environment": {name: value for name, value in os.environ.items() if name.startswith("HF_")},
        }

    was = state()
    yield was
    assert state() == was


class TestTheFixture:
    """Nothing of a test outlives it."""

    def test_it_undoes_what_it_did(self, before: dict[str, object], hub: FreshHub, sha: str) -> None:
        assert before["ENDPOINT"] != hub.url == constants.ENDPOINT
        assert get() == WEIGHTS
        old = str(before["HF_HOME"])
        left = {name: value for name, value in vars(constants).items() if str(value).startswith(old)}
        assert left == {}

    def test_no_token_is_found(self, hub: FreshHub) -> None:
        assert huggingface_hub.get_token() is None
        assert not {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} & hub.environment().keys()

    def test_a_fresh_server_each_time(self, hub: FreshHub) -> None:
        assert (hub.requests, hub.repositories, hub.faults) == ([], {}, [])
        assert not hub.cache.exists()
