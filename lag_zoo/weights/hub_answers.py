"""Answers of a Hub about a file, looked at before its client writes anything.

The client puts the commit and the ETag of an answer into paths of its cache as they come, and fetches as many bytes as
come. So a Hub that is not what it should be, such as a mirror behind `HF_ENDPOINT`, could write where it likes.
"""

import contextlib
import re
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from urllib.parse import urljoin, urlsplit

from huggingface_hub import constants
from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

try:  # which redirections the client follows is its own business, and private
    from huggingface_hub.utils._http import _is_same_or_hub_host as _follows
except ImportError:  # of other versions: those of the same origin

    def _follows(url: str, target: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(target)[:2]


_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class StrangeAnswer(RuntimeError):
    """An answer that no Hub gives; the message says what is strange."""


class Asked:
    """A file that the Hub is asked for.

    Attributes:
        most: bytes that it may have.
        digest: what the Hub vouches for: git's SHA-1 of a small file, the SHA-256 of a large one; `None`: it was not
            asked, since the cache has the file.
        size: bytes that it has, as the Hub says.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.size: int | None = None
        self.digest: str | None = None


_asked: ContextVar[Asked | None] = ContextVar("asked", default=None)


@contextlib.contextmanager
def watched(most: int) -> Iterator[Asked]:
    """Watch what the Hub answers, in this thread, while its client fetches a file of at most so many bytes.

    Raises:
        StrangeAnswer: through the client, at an answer that no Hub gives, or one of a larger file.
    """
    session = get_session()  # of all that use the client; what others ask for is not looked at
    hooks = session.event_hooks
    if _look not in hooks["response"]:
        session.event_hooks = {**hooks, "response": [*hooks["response"], _look]}
    asked = Asked(most)
    before = _asked.set(asked)
    try:
        yield asked
    finally:
        _asked.reset(before)


def is_commit(text: str | None) -> bool:
    """Tell whether a text is the name of a commit, 40 hexadecimal digits."""
    return text is not None and _COMMIT.fullmatch(text) is not None


def is_digest(text: str | None) -> bool:
    """Tell whether a text is a digest, as the Hub vouches for files by: 40 or 64 hexadecimal digits."""
    return text is not None and _DIGEST.fullmatch(text) is not None


def _look(response: Any) -> None:
    asked = _asked.get()
    commit = response.headers.get(constants.HUGGINGFACE_HEADER_X_REPO_COMMIT)
    if asked is None or commit is None:  # without one the client says itself that this is no Hub
        return
    if not is_commit(commit):
        raise StrangeAnswer(f"it names a commit {commit[:80]!r}, which is not of 40 hexadecimal digits")
    if response.status_code >= 400 or response.request.method != "HEAD" or _is_followed(response):
        return
    linked = response.headers.get(constants.HUGGINGFACE_HEADER_X_LINKED_ETAG)
    etag = (linked or response.headers.get("ETag") or "").lstrip("W/").strip('"')
    if not is_digest(etag):
        raise StrangeAnswer(f"it vouches for the file by an ETag {etag[:80]!r}, which is no digest")
    size = response.headers.get(constants.HUGGINGFACE_HEADER_X_LINKED_SIZE) or response.headers.get(
        "Content-Length", ""
    )
    if not re.fullmatch(r"[0-9]{1,15}", size):
        raise StrangeAnswer(f"it does not say how large the file is, but {size[:80]!r}")
    if int(size) > asked.most:
        raise StrangeAnswer(f"the file has {int(size):,} bytes, and up to {asked.most:,} are taken")
    asked.digest, asked.size = etag, int(size)


def asked_size() -> int | None:
    """Return the bytes that the file has that is being fetched in this thread; `None`: nobody has said."""
    asked = _asked.get()
    return None if asked is None else asked.size


def _is_followed(response: Any) -> bool:
    """Tell whether the client follows this redirection: then the answer after it is the one that counts."""
    if not response.has_redirect_location:
        return False
    here = str(response.request.url)
    return bool(_follows(here, urljoin(here, response.headers["Location"])))
