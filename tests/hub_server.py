"""A Hugging Face Hub on loopback, with the standard library: what its client asks for, and the ways it can fail.

It speaks the part of the protocol (`tests/hub_protocol.py`) that downloading, looking up and publishing use:
repositories with their whole history, large files by LFS, gated and private ones. A `Fault` spoils the answers to
chosen requests.
"""

import fnmatch
import hashlib
import sys
import threading
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.hub_protocol import Handler
from tests.hub_store import Blob, Fault, Kind, Repository, keep


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a client that has gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class HubServer:
    """The server: `url`, what it was asked (`requests`), what it holds, and how it fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.repositories: dict[str, Repository] = {}
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.token: str | None = None
        self.warning = ""  # a header that the client writes on the screen
        self.headers: dict[str, str | None] = {}  # in place of those of answers about files; `None`: left out
        self.redirect = False  # large files are elsewhere, as on the real Hub
        self.lock = threading.Lock()
        handler = type("BoundHandler", (Handler,), {"hub": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.elsewhere = f"http://localhost:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stops answering."""
        self._server.shutdown()
        self._server.server_close()

    def add(
        self, repo: str, files: Mapping[str, bytes | Path], *, gated: bool = False, private: bool = False
    ) -> str:
        """A repository with these files; its commit."""
        self.repositories[repo] = Repository(gated=gated, private=private)
        return self.commit(repo, files)

    def add_folder(self, repo: str, folder: Path) -> str:
        """A repository with the files of a folder; its commit."""
        return self.add(repo, {path.name: path for path in folder.iterdir()})

    def commit(
        self, repo: str, files: Mapping[str, bytes | Path], *, branch: str = "main", delete: Any = ()
    ) -> str:
        """One more commit, with these files changed; its number."""
        blobs = {name: self.blob(name, data) for name, data in files.items()}
        return self.commit_blobs(repo, blobs, branch=branch, delete=delete)

    def commit_blobs(
        self, repo: str, blobs: Mapping[str, Blob], *, branch: str = "main", delete: Any = ()
    ) -> str:
        """The same with bytes that are here already."""
        with self.lock:
            found = self.repositories[repo]
            files = {**found.commits.get(found.branches.get(branch, ""), {}), **blobs}
            files = {name: blob for name, blob in files.items() if name not in delete}
            content = sorted((name, blob.sha1) for name, blob in files.items())
            sha = hashlib.sha1(f"{repo}{branch}{len(found.commits)}{content}".encode()).hexdigest()
            found.commits[sha] = files
            found.branches[branch] = sha
        return sha

    def blob(self, name: str, data: bytes | Path) -> Blob:
        """The bytes of a file with this name, kept on disk by their digest."""
        return keep(self.folder, name, data)

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        """What a repository holds at a revision."""
        found = self.repositories[repo]
        commit = found.commits[found.branches.get(revision, revision)]
        return {name: blob.path.read_bytes() for name, blob in commit.items()}

    def fail(self, kind: Kind, pattern: str = "*", **options: Any) -> Fault:
        """One more `Fault`."""
        self.faults.append(Fault(kind, pattern, **options))
        return self.faults[-1]

    def asked(self, pattern: str = "*") -> list[tuple[str, str]]:
        """The requests whose path fits."""
        return [request for request in self.requests if fnmatch.fnmatch(request[1], pattern)]
