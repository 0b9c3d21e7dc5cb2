"""The Hugging Face Hub, with what its client leaves out: bytes that are verified, and errors that say what to do.

The client checks no SHA-256, lets errors of its transport through, and goes on for ever where a server cuts every
answer. Here each failure becomes one of lag_zoo's errors, and a file is believed only after its digest.
"""

import errno
import hashlib
import logging
import os
import re
import threading
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from huggingface_hub import (
    RepoCard,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub import errors as hub_errors
from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

from lag_zoo.errors import (
    HubWarning,
    InvalidConfigError,
    WeightsError,
    WeightsIntegrityError,
    WeightsNotFoundError,
)
from lag_zoo.opening import UnfitFileError, read_regular
from lag_zoo.weights.digests import git_digest, note_vouched, noted_vouched
from lag_zoo.weights.files import verify_file
from lag_zoo.weights.hub_answers import StrangeAnswer, asked_size, is_commit, is_digest, watched

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
_TRANSPORT = (hub_errors.HTTPError,)  # type: ignore[attr-defined]  # of the client's own HTTP library, which differs between its versions
LARGEST_TEXT = 1 << 24
"""Bytes of a file that is read whole, as a configuration or a card; of the Hub's own limits this is the least."""
_LARGEST_WEIGHTS = 1 << 36
_MOST = 3  # times the size of a file that may come over the line before the download is given up
_PATIENCE = 5.0  # seconds in which the Hub may say whether it has a file
_ASKING = "lag_zoo asks the Hub"
_T = TypeVar("_T")


class HubFile(NamedTuple):
    """A file of a Hub repository, in the local cache, the commit that it is of, and the digest that it has to have.

    The digest is git's SHA-1 of a small file, 40 digits, or the SHA-256 of a large one, 64; `sha256` is that of weights
    that were verified.
    """

    path: Path
    revision: str | None
    digest: str
    sha256: str | None = None


class Place(NamedTuple):
    """A repository at a revision (`None`: its newest), and how to reach it."""

    repo: str
    revision: str | None = None
    cache_dir: Path | None = None
    local_files_only: bool = False

    def __str__(self) -> str:
        return f"hf-hub:{self.repo}" + (f"@{self.revision}" if self.revision else "")


class _Bounded(tqdm):
    """The client's progress bar, which also sees a download that never ends."""

    received = 0

    def update(self, n: float | None = 1) -> bool | None:
        # The bar goes back where a download starts anew; what came has come.
        self.received += max(0, int(n or 0))
        size = asked_size() or self.total
        if size and self.received > _MOST * size:
            raise _EndlessDownload(f"{self.received} bytes came of a file of {size}")
        return super().update(n)  # type: ignore[no-any-return]


class _EndlessDownload(RuntimeError):
    pass


def cached_or_asked(find: Callable[[Place], _T], place: Place, filename: str) -> _T:
    """`find(place)` of the cache alone, without a request; else of the Hub, once it said that it has this file.

    The Hub is asked by one request, for five seconds at most, and nothing is written on the screen. Only after a yes
    does the client come in, which tries a download several times.

    Raises:
        WeightsNotFoundError: neither has it; the message is what the Hub said, in a few words.
        WeightsIntegrityError: the cached bytes are not the ones vouched for, and there are no others to be had.
    """
    damaged = None
    try:
        return find(place._replace(local_files_only=True))
    except WeightsNotFoundError:
        pass
    except WeightsIntegrityError as error:
        damaged = error
    refusal = _offline(place) or _refusal(place, filename)
    if refusal and damaged:
        raise WeightsIntegrityError(f"{damaged}. The Hub gives no other either ({refusal})") from damaged
    if refusal:
        raise WeightsNotFoundError(refusal)
    return find(place)


def _refusal(place: Place, filename: str) -> str:
    """Say in a few words why the Hub does not give a file; empty: it does."""
    url = hf_hub_url(place.repo, filename, revision=place.revision)
    heard: list[str] = []

    def ask() -> None:
        try:
            metadata = get_hf_file_metadata(url, timeout=_PATIENCE, library_name="lag_zoo")
            heard.append("" if is_commit(metadata.commit_hash) else f"server: {constants.ENDPOINT} is no Hub")
        except Exception as error:  # told where it was asked
            heard.append(_reason(place, error))

    # The client writes on the screen what the Hub warns of; of this one request it is not to.
    logging.getLogger("huggingface_hub.utils._http").addFilter(_by_others)
    # Its own limit is for each byte, and not for looking up the server's name; this one is for all of it.
    thread = threading.Thread(target=ask, name=_ASKING, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return heard[0] if heard else f"server: no answer within {_PATIENCE:g} seconds"


def _by_others(record: logging.LogRecord) -> bool:
    return record.threadName != _ASKING


def fetch_weights(
    place: Place, filename: str, sha256: str | None = None, *, most: int = _LARGEST_WEIGHTS
) -> HubFile:
    """A safetensors file of a repository whose bytes are the ones vouched for: by `sha256`, else by the Hub's digest.

    A copy that has other bytes is set aside and fetched once more. Whoever reads the file gives `read_weights` the same
    digest: then what is used is what was vouched for, whatever happens to the file meanwhile.

    Raises:
        WeightsNotFoundError: it cannot be had; the message says why and names the ways on.
        WeightsIntegrityError: the second copy is no better; or the first, and there is no other to be had.
        InvalidConfigError: no repository, revision or file can be named so.
    """
    file, found = _verified(
        lambda: _fetch(place, filename, most, sha256), partial(_verify_weights, sha256=sha256)
    )
    return file._replace(sha256=found)


def fetch_text(place: Place, filename: str) -> tuple[bytes, str | None]:
    """The bytes of a small file of a repository, which are the ones that the Hub vouches for, and its commit.

    Raises: as `fetch_weights` does.
    """
    file, data = _verified(lambda: _fetch(place, filename, LARGEST_TEXT, None), _verified_bytes)
    return data, file.revision


def _verified(fetch: Callable[[], HubFile], verify: Callable[[HubFile], _T]) -> tuple[HubFile, _T]:
    """A file and what its verification gives; a damaged copy is set aside and fetched once more."""
    file = fetch()
    try:
        return file, verify(file)
    except WeightsIntegrityError as error:
        aside = _set_aside(file.path, error)
        try:
            file = fetch()
        except WeightsNotFoundError as unavailable:
            raise WeightsIntegrityError(
                f"{error}. It was set aside as {aside}, and another copy cannot be had: {unavailable.reason}"
            ) from unavailable
        return file, verify(file)


def _verify_weights(file: HubFile, sha256: str | None) -> str:
    """Verify weights; their SHA-256."""
    if len(file.digest) == 64:
        return verify_file(file.path, sha256 or file.digest)
    data = _verified_bytes(file)  # small enough for git
    return verify_file(file.path, sha256 or hashlib.sha256(data).hexdigest())


def _verified_bytes(file: HubFile) -> bytes:
    data = _bytes_of(file.path)
    found = hashlib.sha256(data).hexdigest() if len(file.digest) == 64 else git_digest(data)
    if found != file.digest:
        raise WeightsIntegrityError(f"{file.path} has other bytes than the Hub's {file.digest}")
    return data


def _bytes_of(path: Path) -> bytes:
    try:
        return read_regular(path, most=LARGEST_TEXT)
    except UnfitFileError as error:
        raise WeightsIntegrityError(f"{path} cannot be read: {error}") from error


def _fetch(place: Place, filename: str, most: int, vouched: str | None) -> HubFile:
    """A file of a repository, from the cache or downloaded into it; not verified yet."""
    _require_names(place, filename)
    with watched(most) as asked:
        try:
            path = _download(place, filename)
        except hub_errors.HFValidationError as error:
            raise InvalidConfigError(
                f"{place.repo!r} is not the name of a Hub repository, org/name"
            ) from error
        except hub_errors.HfHubHTTPError as error:  # an answer, and the client has looked into its cache
            raise _unavailable(place, filename, error) from error
        except _TRANSPORT as error:
            path = _cached_in_spite_of(error, place, filename)
        except (OSError, RuntimeError, ValueError) as error:
            raise _unavailable(place, filename, error) from error
    commit = _commit_of(path, filename)
    named = _digest_in_cache(path)
    if asked.digest and commit and named is None:
        note_vouched(place.repo, commit, filename, asked.digest)
    digest = asked.digest or named or (commit and noted_vouched(place.repo, commit, filename)) or vouched
    if not digest:
        raise WeightsIntegrityError(
            f"{path} is in the cache without the digest that the Hub vouches for it by, as on a disk that has no "
            "links: whether it is whole cannot be told. Load it once by lag_zoo where there is a network, which notes "
            "the digest; or copy it to a folder by lag-zoo download, and say local-dir:"
        )
    return HubFile(path, commit, digest)


def _require_names(place: Place, filename: str) -> None:
    """Refuse a revision or a file that would name a place outside the cache."""
    for what, name in (("revision", place.revision), ("file", filename)):
        parts = [] if name is None else re.split(r"[/\\]", name)
        if any(part in ("", ".", "..") or not part.isprintable() or ":" in part for part in parts):
            raise InvalidConfigError(f"no {what} of a Hub repository can be named {name!r}")


def _digest_in_cache(path: Path) -> str | None:
    """The digest of a file that the cache has: the client names it so, and the commit's folder holds a link to it."""
    name = path.resolve().name
    return name if is_digest(name) else None


def _download(place: Place, filename: str) -> Path:
    if place.local_files_only:  # not by the client's download, which asks the Hub about itself even then
        cached = try_to_load_from_cache(place.repo, filename, place.cache_dir, place.revision)
        if isinstance(cached, str):
            return Path(cached)
        raise hub_errors.LocalEntryNotFoundError(f"the cache does not hold {filename}")
    return Path(
        hf_hub_download(
            place.repo,
            filename,
            revision=place.revision,
            cache_dir=place.cache_dir,
            library_name="lag_zoo",
            tqdm_class=_Bounded,
        )
    )


def _cached_in_spite_of(error: Exception, place: Place, filename: str) -> Path:
    """The cached file where the line broke: what the client does where it cannot connect, and forgets here."""
    try:
        path = _download(place._replace(local_files_only=True), filename)
    except hub_errors.LocalEntryNotFoundError:
        raise _unavailable(place, filename, error) from error
    warnings.warn(
        f"{constants.ENDPOINT} broke off ({error}): {filename} of {place} is the cached copy, "
        f"commit {_commit_of(path, filename)}",
        HubWarning,
        stacklevel=5,
    )
    return path


def stated_licence(place: Place) -> str:
    """The licence that a repository's card states; empty where it states none, or has no card that can be verified."""
    try:
        card, _ = fetch_text(place, constants.REPOCARD_NAME)
    except WeightsError:  # nobody vouches for what it would say
        return ""
    return licence_of(card.decode("utf-8", errors="replace"))


def licence_of(card: str) -> str:
    """The licence that the header of a card states; empty where it states none, or cannot be read.

    >>> licence_of("---\\nlicense: cc-by-4.0\\n---\\n# Card"), licence_of("---\\n{[\\n---\\n")
    ('cc-by-4.0', '')
    """
    try:
        stated = RepoCard(card).data.get("license")
    except Exception:  # a stranger's: the client passes on whatever YAML it met
        return ""
    return stated if isinstance(stated, str) else ""


def _commit_of(path: Path, filename: str) -> str | None:
    commit = path.parents[filename.count("/")].name
    return commit if is_commit(commit) else None


def _set_aside(path: Path, error: WeightsIntegrityError) -> Path:
    """Moves a file of the cache out of the way, so that the next download cannot take it for done."""
    real = path.resolve()
    if real != path.parent.resolve() / path.name and real.parent.name != "blobs":
        raise WeightsIntegrityError(
            f"{error}. It lies outside the cache, as {real}, and was left there"
        ) from error
    aside = real.with_name(real.name + ".damaged")
    try:
        os.replace(real, aside)
        path.unlink(missing_ok=True)
    except FileNotFoundError:  # another process was quicker
        return aside
    except OSError as fixed:
        raise WeightsIntegrityError(f"{error}. It could not be set aside: {fixed}") from error
    return aside


def _unavailable(place: Place, filename: str, error: Exception) -> WeightsNotFoundError:
    """Describe a failure: its reason, the places that were tried, and the ways on."""
    cache = place.cache_dir or constants.HF_HUB_CACHE
    return WeightsNotFoundError(
        f"{filename} of {place} cannot be had: {_reason(place, error)} (asked: {constants.ENDPOINT}; cache: {cache})",
        ways_on="a repository that you can reach; a copy made where there is a network, lag-zoo download NAME "
        "--to DIR, then local-dir:DIR; HF_ENDPOINT for a mirror",
    )


def _reason(place: Place, error: Exception) -> str:
    if isinstance(error, hub_errors.GatedRepoError):
        return "gated: ask for access on its page, then log in with `hf auth login` or set HF_TOKEN"
    if isinstance(error, hub_errors.RepositoryNotFoundError):
        return "missing: there is no such repository, or it is private and you are not logged in"
    if isinstance(error, hub_errors.RevisionNotFoundError):
        return f"missing: the repository has no revision {place.revision}"
    if isinstance(error, hub_errors.LocalEntryNotFoundError):
        return _not_cached(place, error)
    if isinstance(error, hub_errors.EntryNotFoundError):
        return "missing: the repository has no such file"
    if isinstance(error, _EndlessDownload):
        return f"server: it never ends, {error}"
    if isinstance(error, StrangeAnswer):
        return f"server: {error}"
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        return f"disk: {error.strerror}"
    words = str(error).strip().partition("\n")[0] or type(error).__name__
    if isinstance(error, hub_errors.HfHubHTTPError):
        return f"server: it answers {error.response.status_code}: {error.server_message or words}"
    if isinstance(error, _TRANSPORT):
        return f"server: it does not answer: {words}"
    return f"server: {type(error).__name__}: {words}"


def _not_cached(place: Place, error: Exception) -> str:
    cause = error.__cause__ or error
    return (
        _offline(place)
        or f"server: it does not answer and the cache does not hold it; {type(cause).__name__}: {cause}"
    )


def _offline(place: Place) -> str:
    """Say why no request may be made; empty: one may."""
    setting = "local_files_only" if place.local_files_only else "HF_HUB_OFFLINE"
    if place.local_files_only or constants.HF_HUB_OFFLINE:
        return f"offline: {setting} is set, and the cache does not hold it"
    return ""
