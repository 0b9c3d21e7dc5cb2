"""Debian's chromium without a window and without a network, spoken to over its debugging pipe: nothing to install."""

import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDED = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium to open the report with (apt-get install chromium)"
)
_PATIENCE = 60.0  # seconds for one answer

# The browser reads commands from descriptor 3 and answers on 4.
_LAUNCH = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Tab:
    """One page; what it fetched and complained of is kept since it was opened."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._numbers, self._rest, self._session = itertools.count(1), b"", ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        nothing = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self.call("Network.emulateNetworkConditions", offline=True, **nothing)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one command of the DevTools protocol."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def open(self, page: Path, *, width: int, phone: bool = False) -> None:
        """Shows a file in a window of this width, as a desk's browser or a phone's would, and waits for all of it."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=phone
        )
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + _PATIENCE
        while not self.told("Page.loadEventFired"):
            assert time.monotonic() < deadline, f"{page} was not loaded in {_PATIENCE:.0f} s"
            self._next()

    def told(self, method: str) -> list[dict[str, Any]]:
        """The events of one kind since the page was opened."""
        return [event["params"] for event in self.events if event["method"] == method]

    def ask(self, expression: str) -> Any:
        """What a JavaScript expression comes to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, and exceptions."""
        found = [str(entry["entry"]["text"]) for entry in self.told("Log.entryAdded")]
        found += [str(thrown["exceptionDetails"]) for thrown in self.told("Runtime.exceptionThrown")]
        return found + [
            str(call)
            for call in self.told("Runtime.consoleAPICalled")
            if call["type"] in ("error", "warning")
        ]

    def fetched(self) -> list[str]:
        """What it asked for beyond itself and the data inside it."""
        urls = [str(request["request"]["url"]) for request in self.told("Network.requestWillBeSent")]
        return [url for url in urls[1:] if not url.startswith("data:")]

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"chromium said nothing for {_PATIENCE:.0f} s"
            part = os.read(self._read, 1 << 20)
            assert part, "chromium has gone"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        if "method" in answer:
            self.events.append(answer)
        return answer


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """A chromium whose profile is in this folder, ended with its children."""
    assert CHROMIUM is not None
    (their_read, write), (read, their_write) = os.pipe(), os.pipe()
    command = [sys.executable, "-c", _LAUNCH, str(their_read), str(their_write), CHROMIUM]
    command += ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command += ["--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}"]
    command += ["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"]
    with (folder / "chromium.txt").open("wb") as said:
        running = subprocess.Popen(command, pass_fds=(their_read, their_write), stdout=said, stderr=said)
    os.close(their_read)
    os.close(their_write)
    try:
        yield Tab(write, read)
    finally:
        os.close(write)  # the browser ends with its pipe
        try:
            running.wait(timeout=20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        os.close(read)
