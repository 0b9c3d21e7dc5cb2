"""A Hub that is none, or an evil one: nothing is written outside the cache, and nothing unverified is used."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

import lag_zoo
from lag_zoo.errors import InvalidConfigError, WeightsError, WeightsIntegrityError, WeightsNotFoundError
from lag_zoo.weights.hub import HubFile, Place, fetch_text, licence_of
from tests.hub_fixture import FreshHub
from tests.networks import equal, small

REPO = "clinic/my-lag"
FILES = ["README.md", "config.json", "golden.safetensors", "model.safetensors"]
CLIMBING = ["../../../outside", "..", "../x", "/tmp/outside", "a/../../../../outside", "..\\outside"]
NO_DIGESTS = [
    *CLIMBING,
    "",
    "x" * 40,
    "0" * 39,
    "0" * 41,
    "0" * 63,
    "A" * 40,
    "W/",
    "é" * 20,
]


@pytest.fixture
def published(hub: FreshHub, tmp_path: Path) -> str:
    hub.add_folder(REPO, lag_zoo.save_pretrained(small(), tmp_path / "my-lag"))
    return f"hf-hub:{REPO}"


def written(hub: FreshHub) -> set[Path]:
    """All that is in the cache and around it, but for what the client notes of itself."""
    return {path for path in hub.folder.parent.rglob("*") if path.parent != hub.home and path != hub.home}


def quoted(text: str) -> str:
    return f'"{text}"'.encode().decode("latin-1")


@pytest.mark.parametrize("header", ["ETag", "X-Linked-Etag"])
@pytest.mark.parametrize("etag", NO_DIGESTS)
def test_an_etag_that_is_no_digest(hub: FreshHub, published: str, header: str, etag: str) -> None:
    """The client would name a file of its cache so, and take any bytes for it."""
    before = written(hub)
    hub.headers = {"ETag": None, header: quoted(etag)}
    with pytest.raises(WeightsNotFoundError, match=r"ETag .* which is no digest"):
        lag_zoo.create_model(published, pretrained=True)
    assert written(hub) == before


@pytest.mark.parametrize("address", ["/x", "https://127.0.0.1/x", "http://localhost:1/x", ""])
def test_an_address_beside_the_answer_excuses_nothing(hub: FreshHub, published: str, address: str) -> None:
    """The client follows redirections alone; of any other answer the ETag counts, whatever it says besides."""
    before = written(hub)
    hub.headers = {"ETag": quoted("../../../../outside"), "Location": address or f"{hub.url}/x"}
    with pytest.raises(WeightsNotFoundError, match="which is no digest"):
        lag_zoo.create_model(published, pretrained=True)
    assert written(hub) == before


def test_more_bytes_than_were_announced(
    hub: FreshHub, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What bounds a download is the size that was asked for, and not what the answer with the bytes says."""
    monkeypatch.setattr("tests.hub_connection.Connection.announced", lambda self, blob: announced(self, blob))

    def announced(self: Any, blob: Any) -> int:
        return 100 if self.command == "HEAD" else blob.size

    with pytest.raises(WeightsNotFoundError, match=r"it never ends|Consistency check|server"):
        lag_zoo.create_model(published, pretrained=True)


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("commit", [*CLIMBING, "main", "0" * 39, "0" * 41, "A" * 40])
def test_a_commit_that_is_none(hub: FreshHub, published: str, commit: str, status: int) -> None:
    """The client would make a folder of its cache under this name; also where a file is missing, to remember that."""
    if status == 404:
        hub.commit(REPO, {}, delete=["config.json"])
    before = written(hub)
    hub.headers = {"X-Repo-Commit": commit}
    with pytest.raises(WeightsNotFoundError, match="names a commit"):
        lag_zoo.create_model(published, pretrained=True)
    assert written(hub) == before


@pytest.mark.parametrize("size", ["-1", "many", "9" * 20, str(1 << 30)])
def test_the_size_is_asked_for_before_anything_is_fetched(hub: FreshHub, published: str, size: str) -> None:
    hub.headers = {"X-Linked-Size": size, "X-Linked-Etag": quoted("0" * 64)}
    with pytest.raises(WeightsNotFoundError, match=r"how large the file is|are taken"):
        lag_zoo.create_model(published, pretrained=True)
    assert {method for method, path in hub.requests if "/resolve/" in path} == {"HEAD"}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("large", [False, True])
def test_whatever_is_fetched_is_checked_by_its_digest(
    hub: FreshHub, published: str, file: str, large: bool
) -> None:
    """Other bytes of the same length, on the way, small files and large ones alike; and then in the cache."""
    right = hub.files(REPO)[file]
    wrong = right[:-2] + bytes([right[-2] ^ 1]) + right[-1:]
    blob = hub.repositories[REPO].commits[hub.repositories[REPO].branches["main"]][file]
    blob.lfs = large
    blob.path.write_bytes(wrong)
    with pytest.raises(WeightsIntegrityError, match=r"has other bytes than|has the SHA-256"):
        use(published, file)
    blob.path.write_bytes(right)
    use(published, file)
    (cached,) = Path(constants.HF_HUB_CACHE).rglob(f"snapshots/*/{file}")
    cached.resolve().write_bytes(wrong)
    use(published, file)  # set aside, and fetched once more
    assert cached.read_bytes() == right


def use(published: str, file: str) -> None:
    if file == "README.md":
        fetch_text(Place(REPO), file)
    elif file == "golden.safetensors":
        lag_zoo.verify(published)
    else:
        assert equal(lag_zoo.create_model(published, pretrained=True), small())


def test_a_cache_without_digests_is_not_believed(hub: FreshHub, published: str, tmp_path: Path) -> None:
    """As a disk without links has it: the file lies where the link would, and nobody knows what it was to be."""
    lag_zoo.create_model(published, pretrained=True)
    (cached,) = Path(constants.HF_HUB_CACHE).rglob("snapshots/*/config.json")
    text = cached.read_text()
    cached.unlink()
    cached.write_text(text)
    with pytest.raises(WeightsIntegrityError, match=r"without the digest .* local-dir:"):
        lag_zoo.create_model(published, pretrained=True, local_files_only=True)
    assert cached.read_text() == text
    assert equal(lag_zoo.create_model(published, pretrained=True), small()), "the Hub says what it is to be"


@pytest.mark.parametrize("name", [*CLIMBING, "", "a//b", "C:evil", "a\x00b", "a\nb"])
def test_names_that_would_climb_out_of_the_cache(hub: FreshHub, published: str, name: str) -> None:
    with pytest.raises(InvalidConfigError, match="no revision of a Hub repository can be named"):
        lag_zoo.create_model(published, pretrained=True, revision=name)
    with pytest.raises((InvalidConfigError, WeightsNotFoundError)):
        lag_zoo.create_model(
            "lag_mobilenetv3_small_050", backbone_weights=f"{published}:{name}.safetensors", num_classes=2
        )
    assert [path for _, path in hub.requests if "/../" in path] == []


def test_what_others_ask_for_is_not_looked_at(hub: FreshHub, published: str) -> None:
    """The client is shared by the whole process."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    lag_zoo.create_model(published, pretrained=True)
    hub.headers = {"ETag": '"of-another-kind"'}
    assert get_hf_file_metadata(hf_hub_url(REPO, "README.md")).etag == "of-another-kind"


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: cc-by-4.0\n---\n", "cc-by-4.0"),
        ("---\nlicense: [a, b]\n---\n", ""),
        ("---\n{[\n---\n", ""),
        ("---\n!!python/object/apply:os.system ['true']\n---\n", ""),
        ("---\n- a\n---\n", ""),
        ("---\n&a [*a]\n---\n", ""),
        ("---\n2024-99-99: x\n---\n", ""),
        ("no header", ""),
        ("", ""),
    ],
)
def test_the_licence_on_a_strangers_card(card: str, licence: str) -> None:
    assert licence_of(card) == licence


def test_a_file_knows_its_digest(hub: FreshHub, published: str) -> None:
    config, revision = fetch_text(Place(REPO), "config.json")
    assert config == hub.files(REPO)["config.json"]
    assert revision == hub.repositories[REPO].branches["main"]
    assert HubFile(Path("x"), None, hashlib.sha256(config).hexdigest()).digest
    with pytest.raises(WeightsError):
        fetch_text(Place(REPO), "nothing.json")
