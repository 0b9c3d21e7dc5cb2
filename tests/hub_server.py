"""A Hugging Face Hub on loopback, with the standard library: what its client asks for, and the ways it can fail.

It speaks the part of the protocol that downloading, looking up and publishing use: repositories with their whole
history, large files by LFS, gated and private ones. A `Fault` spoils the answers to chosen requests.
"""

import base64
import fnmatch
import hashlib
import io
import json
import re
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

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


class HubServer:
    """The server: `url`, what it was asked (`requests`), what it holds, and how it fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.repositories: dict[str, Repository] = {}
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.token: str | None = None
        self.lock = threading.Lock()
        handler = type("BoundHandler", (Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

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
            sha = hashlib.sha1(f"{repo}{branch}{len(found.commits)}{sorted(files)}".encode()).hexdigest()
            found.commits[sha] = files
            found.branches[branch] = sha
        return sha

    def blob(self, name: str, data: bytes | Path) -> Blob:
        """The bytes of a file with this name, kept on disk by their digest."""
        raw = data.read_bytes() if isinstance(data, Path) else data
        sha256 = hashlib.sha256(raw).hexdigest()
        path = self.folder / sha256
        if not path.exists():
            path.write_bytes(raw)
        sha1 = hashlib.sha1(b"blob %d\0" % len(raw) + raw).hexdigest()
        return Blob(path, sha256, sha1, len(raw), len(raw) >= LARGE or name.endswith(".safetensors"))

    def fail(self, kind: Kind, pattern: str = "*", **options: Any) -> Fault:
        """One more `Fault`."""
        self.faults.append(Fault(kind, pattern, **options))
        return self.faults[-1]

    def asked(self, pattern: str = "*") -> list[tuple[str, str]]:
        """The requests whose path fits."""
        return [request for request in self.requests if fnmatch.fnmatch(request[1], pattern)]


class Handler(BaseHTTPRequestHandler):
    """One connection of the client."""

    hub: HubServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    # -- requests -------------------------------------------------------------------------------------------------

    def do_HEAD(self) -> None:
        self.answer()

    do_GET = do_POST = do_PUT = do_HEAD

    def answer(self) -> None:
        """Finds out what is asked for, and spoils it if a fault says so."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.body = self.read_body()
        fault = None
        with self.hub.lock:
            self.hub.requests.append((self.command, path))
            for each in self.hub.faults:
                fits = fnmatch.fnmatch(path, each.pattern) and each.method in (None, self.command)
                if fits and each.times > 0:
                    each.times -= 1
                    fault = each
                    break
        self.fault = fault
        if fault and fault.kind == "status":
            return self.refuse(fault.status, fault.code, "a fault")
        if fault and fault.kind == "reset":
            return self.reset()
        if fault and fault.kind == "stall":
            time.sleep(fault.seconds)
        for pattern, method in _ROUTES:
            if found := re.fullmatch(pattern, path):
                return method(self, **found.groupdict())
        return self.refuse(404, "", f"no route {path}")

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def repository(self, repo: str) -> Repository | None:
        """The repository, or `None` after a refusal."""
        found = self.hub.repositories.get(repo)
        allowed = (
            self.hub.token is not None and self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        )
        if found is None or (found.private and not allowed):
            self.refuse(404 if allowed else 401, "RepoNotFound", "Repository not found")
            return None
        if found.gated and not allowed and "/resolve/" in self.path:
            self.refuse(401, "GatedRepo", f"Access to model {repo} is restricted")
            return None
        return found

    # -- answers --------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Breaks the connection as a crashed server does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.wfile = io.BytesIO()  # what is still flushed has nowhere to go

    def refuse(self, status: int, code: str, message: str) -> None:
        self.send(
            status,
            json.dumps({"error": message}).encode(),
            {"X-Error-Code": code, "X-Error-Message": message},
        )

    def say(self, data: object) -> None:
        self.send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    # -- downloads ------------------------------------------------------------------------------------------------

    def resolve(self, repo: str, revision: str, name: str) -> None:
        found = self.repository(repo)
        if found is None:
            return
        commit = found.commit_of(revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound", f"no revision {revision}")
        if name not in found.commits[commit]:
            return self.refuse(404, "EntryNotFound", f"no file {name}")
        self.send_blob(found.commits[commit][name], commit)

    def send_blob(self, blob: Blob, commit: str) -> None:
        fault, start = self.fault, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and not (fault and fault.stubborn):
            start = int(asked[1])
        self.send_response(206 if start else 200)
        size = blob.size + (7 if fault and fault.kind == "wrong size" and self.command == "HEAD" else 0)
        self.send_header("Content-Length", str(size - start))
        self.send_header("ETag", f'"{blob.etag}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        if blob.lfs:
            self.send_header("X-Linked-Etag", f'"{blob.sha256}"')
            self.send_header("X-Linked-Size", str(size))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{blob.size - 1}/{blob.size}")
        self.end_headers()
        if self.command == "HEAD":
            return
        data = blob.path.read_bytes()
        if fault and fault.kind == "corrupt":
            middle = len(data) // 2
            flipped = bytes(b ^ 0xFF for b in data[middle : middle + 4000])
            data = data[:middle] + flipped + data[middle + 4000 :]
        if fault and fault.kind == "cut":
            self.wfile.write(data[start : start + fault.after])
            self.close_connection = True
            return
        if fault and fault.kind == "slow":
            for at in range(start, len(data), max(1, fault.after // 10)):
                self.wfile.write(data[at : at + max(1, fault.after // 10)])
                time.sleep(0.1)
            return
        self.wfile.write(data[start:])

    # -- looking up -----------------------------------------------------------------------------------------------

    def info(self, repo: str, revision: str = "main") -> None:
        found = self.repository(repo)
        if found is None:
            return
        commit = found.commit_of(revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound", f"no revision {revision}")
        files = [{"rfilename": name} for name in found.commits[commit]]
        self.say(
            {"_id": repo, "id": repo, "sha": commit, "siblings": files, "private": found.private, "gated": found.gated,
             "tags": [], "downloads": 0, "likes": 0, "createdAt": "2026-01-01T00:00:00.000Z",
             "lastModified": "2026-01-01T00:00:00.000Z"}
        )  # fmt: skip

    def tree(self, repo: str, revision: str, rest: str = "") -> None:
        found = self.repository(repo)
        if found is None:
            return
        commit = found.commit_of(revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound", f"no revision {revision}")
        self.say([_entry(name, blob) for name, blob in found.commits[commit].items()])

    # -- publishing -----------------------------------------------------------------------------------------------

    def create(self) -> None:
        asked = json.loads(self.body)
        repo = f"{asked.get('organization') or 'user'}/{asked['name']}"
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        known = repo in self.hub.repositories
        if not known:
            self.hub.repositories[repo] = Repository(private=private)
            self.hub.commit(repo, {".gitattributes": b""})
        self.send(
            409 if known else 200,
            json.dumps({"url": f"{self.hub.url}/{repo}", "name": repo, "error": "exists"}).encode(),
            {},
        )

    def branch(self, repo: str, name: str) -> None:
        found = self.repository(repo)
        if found is not None:
            if name in found.branches:
                return self.refuse(409, "", "exists")
            found.branches[name] = found.branches["main"]
            self.say({})

    def validate(self) -> None:
        self.say({"errors": [], "warnings": []})

    def preupload(self, repo: str, branch: str) -> None:
        if self.repository(repo) is not None:
            files = json.loads(self.body)["files"]
            answers = [{"path": f["path"], "shouldIgnore": False, "uploadMode": _mode(f)} for f in files]
            self.say({"files": answers})

    def batch(self, repo: str) -> None:
        if self.repository(repo) is None:
            return
        objects = []
        for each in json.loads(self.body)["objects"]:
            here = (self.hub.folder / each["oid"]).exists()
            actions = {"upload": {"href": f"{self.hub.url}/lfs/{each['oid']}", "header": {}}}
            objects.append({**each, **({} if here else {"actions": actions})})
        self.send(
            200,
            json.dumps({"transfer": "basic", "objects": objects}).encode(),
            {"Content-Type": "application/vnd.git-lfs+json"},
        )

    def put(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self.refuse(400, "", "other bytes than announced")
        (self.hub.folder / oid).write_bytes(self.body)
        self.say({})

    def commit(self, repo: str, branch: str) -> None:
        if self.repository(repo) is None:
            return
        blobs, deleted = {}, []
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                blobs[value["path"]] = self.hub.blob(value["path"], base64.b64decode(value["content"]))
            elif entry["key"] == "lfsFile":
                blobs[value["path"]] = self.hub.blob(value["path"], self.hub.folder / value["oid"])
            elif entry["key"] == "deletedFile":
                deleted.append(value["path"])
        sha = self.hub.commit_blobs(repo, blobs, branch=branch, delete=deleted)
        self.say({"commitOid": sha, "commitUrl": f"{self.hub.url}/{repo}/commit/{sha}", "success": True})

    def harnesses(self) -> None:
        self.say({"standardEnvVars": [], "harnesses": {}})


def _mode(file: Mapping[str, Any]) -> str:
    return "lfs" if file["path"].endswith(".safetensors") or file["size"] >= LARGE else "regular"


def _entry(name: str, blob: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": blob.sha1, "size": blob.size, "path": name}
    if blob.lfs:
        entry["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": 134}
    return entry


_REPO = r"(?P<repo>[^/]+/[^/]+)"
_ROUTES = [
    (rf"/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<name>.+)", Handler.resolve),
    (rf"/api/models/{_REPO}", Handler.info),
    (rf"/api/models/{_REPO}/revision/(?P<revision>[^/]+)", Handler.info),
    (rf"/api/models/{_REPO}/tree/(?P<revision>[^/]+)(?P<rest>/.*)?", Handler.tree),
    (rf"/api/models/{_REPO}/branch/(?P<name>[^/]+)", Handler.branch),
    (rf"/api/models/{_REPO}/preupload/(?P<branch>[^/]+)", Handler.preupload),
    (rf"/api/models/{_REPO}/commit/(?P<branch>[^/]+)", Handler.commit),
    (r"/api/repos/create", Handler.create),
    (r"/api/validate-yaml", Handler.validate),
    (rf"/{_REPO}\.git/info/lfs/objects/batch", Handler.batch),
    (r"/lfs/(?P<oid>[0-9a-f]{64})", Handler.put),
    (r"/api/agent-harnesses", Handler.harnesses),
]
