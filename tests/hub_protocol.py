"""One connection to the Hub on loopback: requests, their answers, and the faults that spoil them."""

import base64
import fnmatch
import hashlib
import io
import json
import re
import socket
import struct
import time
import urllib.parse
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from tests.hub_store import LARGE, Blob, Repository

if TYPE_CHECKING:
    from tests.hub_server import HubServer


class Handler(BaseHTTPRequestHandler):
    """One connection of the client."""

    hub: "HubServer"
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

    def at(self, repo: str, revision: str) -> tuple[Repository, str, dict[str, Blob]] | None:
        """The repository, the commit behind a revision and its files; `None` after a refusal."""
        found = self.repository(repo)
        if found is None:
            return None
        commit = found.commit_of(revision)
        if commit is None:
            self.refuse(404, "RevisionNotFound", f"no revision {revision}")
            return None
        return found, commit, found.commits[commit]

    def resolve(self, repo: str, revision: str, name: str) -> None:
        if found := self.at(repo, revision):
            _, commit, files = found
            if name in files:
                self.send_blob(files[name], commit)
            else:
                self.refuse(404, "EntryNotFound", f"no file {name}")

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
        if found := self.at(repo, revision):
            repository, commit, files = found
            self.say(
                {
                    "_id": repo,
                    "id": repo,
                    "sha": commit,
                    "siblings": [{"rfilename": name} for name in files],
                    "private": repository.private,
                    "gated": repository.gated,
                    "tags": [],
                    "downloads": 0,
                    "likes": 0,
                    "createdAt": "2026-01-01T00:00:00.000Z",
                    "lastModified": "2026-01-01T00:00:00.000Z",
                }
            )

    def tree(self, repo: str, revision: str, rest: str | None = None) -> None:
        if found := self.at(repo, revision):
            self.say([_entry(name, blob) for name, blob in found[2].items()])

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
