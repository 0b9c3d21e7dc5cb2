"""The Hub's protocol: which answer belongs to which request."""

import base64
import hashlib
import json
import re
import shutil
import tempfile
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.hub_connection import Connection
from tests.hub_store import LARGE, Blob, Repository


class Handler(Connection):
    """The answers to what the client asks for."""

    # -- requests -------------------------------------------------------------------------------------------------

    def route(self, quoted: str) -> None:
        for pattern, method in _ROUTES:
            if found := re.fullmatch(pattern, quoted):  # a branch may have a slash in its name
                parts = {name: urllib.parse.unquote(part or "") for name, part in found.groupdict().items()}
                return method(self, **parts)
        return self.refuse(404, "", f"no route {quoted}")

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
            if name not in files:
                commit = self.hub.headers.get("X-Repo-Commit") or commit
                self.refuse(404, "EntryNotFound", f"no file {name}", **{"X-Repo-Commit": commit})
            elif files[name].lfs and self.hub.redirect:
                self.send(302, b"", self.about(files[name], commit) | self.elsewhere(files[name]))
            else:
                self.send_blob(files[name], self.about(files[name], commit))

    def about(self, blob: Blob, commit: str) -> dict[str, str]:
        """What the Hub says of a file besides its bytes."""
        headers = {"ETag": f'"{blob.etag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if blob.lfs:
            headers |= {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(self.announced(blob))}
        changed = headers | self.hub.headers
        return {name: value for name, value in changed.items() if value is not None}

    def elsewhere(self, blob: Blob) -> dict[str, str]:
        # Another host to the client, which sends it no token.
        return {"Location": f"{self.hub.elsewhere}/lfs/{blob.sha256}"}

    def stored(self, oid: str) -> None:
        """A large file where a redirect said."""
        path = self.hub.folder / oid
        if not path.exists():
            return self.refuse(404, "EntryNotFound", f"no object {oid}")
        blob = Blob(path, sha256=oid, sha1="", size=path.stat().st_size, lfs=True)
        self.send_blob(blob, {"ETag": f'"{oid}"'})

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
        asked = json.load(self.body)
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
        if self.at(repo, branch) is not None:
            files = json.load(self.body)["files"]
            answers = [{"path": f["path"], "shouldIgnore": False, "uploadMode": _mode(f)} for f in files]
            self.say({"files": answers})

    def batch(self, repo: str) -> None:
        if self.repository(repo) is None:
            return
        objects = []
        for each in json.load(self.body)["objects"]:
            here = (self.hub.folder / each["oid"]).exists()
            href = f"{self.hub.url}/lfs/{each['oid']}"
            actions = {"upload": {"href": href, "header": {}}, "verify": {"href": f"{href}/verify"}}
            objects.append({**each, **({} if here else {"actions": actions})})
        self.send(
            200,
            json.dumps({"transfer": "basic", "objects": objects}).encode(),
            {"Content-Type": "application/vnd.git-lfs+json"},
        )

    def put_or_stored(self, oid: str) -> None:
        return self.put(oid) if self.command == "PUT" else self.stored(oid)

    def put(self, oid: str) -> None:
        if hashlib.file_digest(self.body, "sha256").hexdigest() != oid:
            return self.refuse(400, "", "other bytes than announced")
        self.body.seek(0)
        with tempfile.NamedTemporaryFile(dir=self.hub.folder, delete=False) as copy:
            shutil.copyfileobj(self.body, copy)
        Path(copy.name).replace(self.hub.folder / oid)
        self.say({})

    def verify(self, oid: str) -> None:
        path = self.hub.folder / oid
        if not path.exists() or path.stat().st_size != json.load(self.body)["size"]:
            return self.refuse(404, "", "not here, or of another size")
        self.say({})

    def commit(self, repo: str, branch: str) -> None:
        if self.at(repo, branch) is None:
            return
        blobs, deleted = {}, []
        for line in self.body:
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                blobs[value["path"]] = self.hub.blob(value["path"], base64.b64decode(value["content"]))
            elif entry["key"] == "lfsFile":
                stored = self.hub.folder / value["oid"]
                if not stored.exists():
                    return self.refuse(400, "", f"{value['path']} was not uploaded")
                blobs[value["path"]] = self.hub.blob(value["path"], stored)
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
    (r"/lfs/(?P<oid>[0-9a-f]{64})", Handler.put_or_stored),
    (r"/lfs/(?P<oid>[0-9a-f]{64})/verify", Handler.verify),
    (r"/api/agent-harnesses", Handler.harnesses),
]
