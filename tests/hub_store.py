"""What the Hub on loopback holds, and how it is made to fail."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

LARGE = 1 << 20  # bytes from which a file is LFS's, besides weights
Kind = Literal["status", "reset", "cut", "corrupt", "stall", "wrong size", "slow"]


@dataclass
class Fault:
    """Spoils `times` answers to requests whose path fits `pattern` (and `method`, if one is given).

    status: this `status`, with the Hub's `code` for it; reset: the connection; cut: the body after `after` bytes,
    `Range` ignored if `stubborn`; corrupt: flipped bytes, the right length; stall: no answer for `seconds`; wrong size:
    HEAD says another length than the body has; slow: `after` bytes a second.
    """

    kind: Kind
    pattern: str = "*"
    method: str | None = None
    times: int = 1_000_000
    status: int = 500
    code: str = ""
    after: int = 1000
    seconds: float = 1.0
    stubborn: bool = False


@dataclass
class Blob:
    """The bytes of one file, on disk."""

    path: Path
    sha256: str
    sha1: str
    size: int
    lfs: bool

    @property
    def etag(self) -> str:
        """As the Hub names the bytes."""
        return self.sha256 if self.lfs else self.sha1


@dataclass
class Repository:
    """Its commits, each with all its files; `main` is the newest unless another branch is named."""

    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False

    def commit_of(self, revision: str) -> str | None:
        """The commit behind a branch or the beginning of one."""
        revision = self.branches.get(revision, revision)
        return revision if revision in self.commits else None
