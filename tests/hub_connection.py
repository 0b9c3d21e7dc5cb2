"""One connection to the Hub on loopback: what comes in, what goes out, and the faults that spoil it."""

import fnmatch
import io
import json
import re
import socket
import struct
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, BinaryIO

from tests.hub_store import LARGE, Blob, pieces

if TYPE_CHECKING:
    from tests.hub_server import HubServer


class Connection(BaseHTTPRequestHandler):
    """Takes requests in and sends answers; a subclass knows the routes."""

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
        path = urllib.parse.urlsplit(self.path).path
        with tempfile.SpooledTemporaryFile(max_size=LARGE, dir=self.hub.folder) as self.body:
            self.read_body()
            self.answer_to(path)

    def answer_to(self, quoted: str) -> None:
        fault, path = None, urllib.parse.unquote(quoted)
        with self.hub.lock:
            self.hub.requests.append((self.command, path))
            for each in self.hub.faults:
                if each.concerns(self.command) and fnmatch.fnmatch(path, each.pattern):
                    each.times -= 1
                    fault = each
                    break
        self.fault = fault
        if fault and fault.kind == "status":
            return self.refuse(fault.status, fault.code, "a fault")
        if fault and fault.kind == "reset":
            return self.reset()
        if fault and fault.kind == "drip":
            return self.drip()
        if fault and fault.kind == "stall":
            time.sleep(fault.seconds)
        return self.route(quoted)

    def route(self, quoted: str) -> None:
        raise NotImplementedError

    def read_body(self) -> None:
        """Takes in the whole body, so that an answer may follow; what is large goes to disk."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().strip() or b"0", 16):
                self.take(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            self.take(int(self.headers.get("Content-Length") or 0))
        self.body.seek(0)

    def take(self, size: int) -> None:
        for piece in pieces(self.rfile, size):
            self.body.write(piece)  # `writelines` would hold all of them

    # -- answers --------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Breaks the connection as a crashed server does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.wfile = io.BytesIO()  # what is still flushed has nowhere to go

    def drip(self) -> None:
        """Answers a byte at a time, without an end, until nobody listens any more."""
        self.send_response(200)
        self.flush_headers()
        while True:
            self.wfile.write(b"x")
            time.sleep(0.02)

    def refuse(self, status: int, code: str, message: str, **headers: str) -> None:
        self.send(
            status,
            json.dumps({"error": message}).encode(),
            {"X-Error-Code": code, "X-Error-Message": message, **headers},
        )

    def say(self, data: object) -> None:
        self.send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        own = {"X-HF-Warning": self.hub.warning, "Content-Length": str(len(data))}
        for name, value in {**headers, **own}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    # -- files ----------------------------------------------------------------------------------------------------

    def announced(self, blob: Blob) -> int:
        """The size, or another one if a fault says so."""
        wrong = self.fault and self.fault.kind == "wrong size" and self.command == "HEAD"
        return blob.size + (7 if wrong else 0)

    def send_blob(self, blob: Blob, headers: Mapping[str, str]) -> None:
        fault, start = self.fault, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and not (fault and fault.stubborn):
            start = int(asked[1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(self.announced(blob) - start))
        for name, value in headers.items():
            self.send_header(name, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{blob.size - 1}/{blob.size}")
        self.end_headers()
        if self.command != "HEAD":
            with blob.path.open("rb") as file:
                self.send_body(file, start, blob.size)

    def send_body(self, file: BinaryIO, start: int, end: int) -> None:
        """The bytes from `start` on, a piece at a time, or what a fault makes of them."""
        fault = self.fault
        file.seek(start)
        if fault and fault.kind == "cut":
            end, self.close_connection = start + fault.after, True
        if fault and fault.kind == "slow":
            step = max(1, fault.after // 10)
            for _ in range(start, end, step):
                self.wfile.write(file.read(step))
                time.sleep(0.1)
            return
        sent = pieces(file, end - start)
        if fault and fault.kind == "corrupt":
            sent = _flipped(sent, (end - start) // 2)
        for piece in sent:
            self.wfile.write(piece)


def _flipped(sent: Iterator[bytes], middle: int) -> Iterator[bytes]:
    """The same bytes, but for up to 4000 from the middle on."""
    at = 0
    for piece in sent:
        first, last = max(middle - at, 0), max(middle + 4000 - at, 0)
        yield piece[:first] + bytes(byte ^ 0xFF for byte in piece[first:last]) + piece[last:]
        at += len(piece)
