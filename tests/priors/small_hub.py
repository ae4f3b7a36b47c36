"""A hub for models on this machine: as much of its API as fetching a repository takes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REFUSALS = {401: "RepoNotFound", 403: "GatedRepo", 404: "RepoNotFound", 500: ""}


@dataclass
class Hub:
    """`models` has a folder for each repository; `refuse` is a status for all of them. The line breaks in the middle of
    the file `cut`; of the file `short` less is sent than was announced."""

    url: str
    models: dict[str, Path]
    refuse: int | None = None
    cut: str = ""
    short: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def small_hub(models: dict[str, Path]) -> Iterator[Hub]:
    """The hub, on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    hub = Hub(url=f"http://127.0.0.1:{server.server_port}", models=models)
    _Handler.hub = hub
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.hub.asked.append(f"{self.command} {path}")
        name, _, rest = path.removeprefix("/api/models/").lstrip("/").partition("/")
        second, _, rest = rest.partition("/")
        name = f"{name}/{second}"
        folder = self.hub.models.get(name)
        refusal = self.hub.refuse or (None if folder else 404)
        if refusal is not None or folder is None:
            self._send(b'{"error": "no"}', status=refusal or 404, headers={"X-Error-Code": REFUSALS[refusal or 404]})
        elif rest.startswith("resolve/"):
            self._file(folder, rest.split("/", 2)[2], body=body)
        elif rest.startswith("tree/"):
            self._send(json.dumps([_entry(path) for path in sorted(folder.iterdir())]).encode())
        else:
            self._send(json.dumps({"_id": "1", "id": name, "sha": COMMIT, "siblings": []}).encode())

    def _file(self, folder: Path, name: str, *, body: bool) -> None:
        if not (folder / name).is_file():
            self._send(b"", status=404, headers={"X-Error-Code": "EntryNotFound"})
            return
        content = (folder / name).read_bytes()
        headers = {"ETag": f'"{_digest(content)}"', "X-Repo-Commit": COMMIT}
        if name == self.hub.short and body:
            content = content[:-1]
        self._send(content, headers=headers, body=body, cut=name == self.hub.cut)

    def _send(
        self,
        content: bytes,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        body: bool = True,
        cut: bool = False,
    ) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = cut


def _digest(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _entry(path: Path) -> dict[str, object]:
    return {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": _digest(path.read_bytes())}
