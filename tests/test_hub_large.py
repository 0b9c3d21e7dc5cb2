"""The Hub on loopback with large files: elsewhere, verified, and never whole in memory."""

import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi, errors, hf_hub_download

from tests.hub_fixture import FreshHub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO, NAME = "clinic/net", "model.safetensors"
DATA = bytes(range(256)) * 10_000
SIZE = 100 << 20


def get(**options: object) -> bytes:
    return Path(hf_hub_download(REPO, NAME, **options)).read_bytes()  # type: ignore[arg-type]


class TestElsewhere:
    def test_a_redirect(self, hub: FreshHub) -> None:
        sha = hub.add(REPO, {NAME: DATA, "config.json": b"{}"})
        hub.redirect = True
        assert get() == DATA
        digest = next(path.name for path in hub.cache.glob("*/blobs/*"))
        lfs = [request for request in hub.requests if request[1] != "/api/agent-harnesses"]
        assert lfs == [("HEAD", f"/{REPO}/resolve/main/{NAME}"), ("GET", f"/lfs/{digest}")]
        assert {path.name for path in hub.cache.glob("*/snapshots/*")} == {sha}

    @pytest.mark.usefixtures("impatient")
    def test_a_cut_body(self, hub: FreshHub) -> None:
        hub.add(REPO, {NAME: DATA * 5})
        hub.redirect = True
        hub.fail("cut", "/lfs/*", times=1, after=11 << 20)
        assert get() == DATA * 5
        assert len(hub.asked("/lfs/*")) == 2

    def test_a_private_one(self, hub: FreshHub) -> None:
        hub.add(REPO, {NAME: DATA}, private=True)
        hub.redirect, hub.token = True, "hf_right"
        assert get(token="hf_right") == DATA


def test_an_upload_is_verified(hub: FreshHub) -> None:
    hub.add(REPO, {})
    HfApi().upload_file(path_or_fileobj=DATA, path_in_repo=NAME, repo_id=REPO)
    assert [method for method, _ in hub.asked("/lfs/*")] == ["PUT", "POST"]
    assert hub.files(REPO) == {NAME: DATA}


def test_a_branch_that_is_not_there(hub: FreshHub) -> None:
    hub.add(REPO, {NAME: DATA})
    with pytest.raises(errors.RevisionNotFoundError):
        HfApi().upload_file(path_or_fileobj=b"", path_in_repo="a", repo_id=REPO, revision="v9")


def test_a_branch_with_a_slash(hub: FreshHub) -> None:
    hub.add(REPO, {NAME: DATA})
    HfApi().create_branch(REPO, branch="try/1")
    hub.commit(REPO, {NAME: b"other"}, branch="try/1")
    assert (get(revision="try/1"), get()) == (b"other", DATA)


def test_commits_with_other_bytes_have_other_numbers(hub: FreshHub) -> None:
    assert hub.add(REPO, {NAME: b"one"}) != hub.add(REPO, {NAME: b"two"})


@pytest.mark.parametrize("kind", ["corrupt", "cut", "slow"])
@pytest.mark.usefixtures("impatient")
def test_what_spoils_a_body_waits_for_one(hub: FreshHub, kind: str) -> None:
    hub.add(REPO, {NAME: DATA})
    fault = hub.fail(kind, f"*/{NAME}", times=1, after=10_000_000)
    spoilt = get()
    assert fault.times == 0
    assert (spoilt != DATA) == (kind == "corrupt")


SERVER = """
import pathlib, sys, tracemalloc
from tests.hub_server import HubServer
tracemalloc.start()
hub = HubServer(pathlib.Path(sys.argv[1]))
hub.add("clinic/net", {"model.safetensors": pathlib.Path(sys.argv[2])})
print(hub.url, flush=True)
for _ in sys.stdin:
    print(tracemalloc.get_traced_memory()[1] >> 20, flush=True)
"""


def test_a_hundred_megabytes_are_never_in_memory(tmp_path: Path) -> None:
    """Neither while a file is added, nor sent, nor received."""
    large, other = tmp_path / "large", tmp_path / "other"
    for path, byte in ((large, b"a"), (other, b"b")):
        with path.open("wb") as file:
            file.writelines(byte * (1 << 20) for _ in range(SIZE >> 20))
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path / "hub"), str(large)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert server.stdin
    assert server.stdout
    with server:
        url = server.stdout.readline().strip()
        client = (
            "import sys, filecmp, huggingface_hub as h\n"
            "api = h.HfApi(); get = lambda: h.hf_hub_download('clinic/net', 'model.safetensors')\n"
            "assert filecmp.cmp(get(), sys.argv[1], shallow=False)\n"
            "api.upload_file(path_or_fileobj=sys.argv[2], path_in_repo='model.safetensors', repo_id='clinic/net')\n"
            "assert filecmp.cmp(get(), sys.argv[2], shallow=False)\n"
        )
        environment = {
            "PATH": "",
            "HF_ENDPOINT": url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
        }
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", client, str(large), str(other)],
            env=environment,
            capture_output=True,
            text=True,
        )
        server.stdin.write("\n")
        server.stdin.flush()
        peak = int(server.stdout.readline())
        server.stdin.close()
        server.terminate()
    assert done.returncode == 0, done.stderr
    assert peak < 16, f"{peak} MiB of Python's memory"
