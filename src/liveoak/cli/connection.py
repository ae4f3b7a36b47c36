"""How a verb reaches the agent: over HTTP where a server of the home runs, else in this process.

Verbs that only read the record or move between versions open the books on disk then, without the model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

from liveoak.cli.options import Options
from liveoak.cli.screen import loading
from liveoak.config import Settings
from liveoak.errors import Conflict, Unavailable
from liveoak.records import Chat, Harvest, Lesson, Note, Proof, ReplyEvent, Session, Turn, Version

OnProgress = Callable[[str, int, int], None]
"""Told the stage, what is done of it, and how much it is in all."""


def stage_of(stage: str, note: str) -> str:
    """A lesson's stage as it is shown: with the window of a long text, if it has several."""
    return f"{stage}, {note}" if note else stage


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A session with its turns and notes. Feedback and lessons are as the HTTP face tells them."""

    session: Session
    turns: tuple[Turn, ...]
    notes: tuple[Note, ...]
    feedback: list[Any]
    lessons: list[Any]


class Books(Protocol):
    """The record and the versions of an agent, which can be read and set right without its model.

    Every method raises the errors of `liveoak.errors`, wherever the agent runs.
    """

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def versions(self, session: str | None = None) -> tuple[Version, ...]: ...
    def version(self, id: str) -> Version: ...
    def rollback(self, to: str | None, session: str | None) -> Version: ...
    def promote(self, version: str) -> Version: ...
    def forget(self, session: str) -> Version: ...
    def sessions(self, limit: int, before: str | None = None) -> tuple[Session, ...]:
        """Newest first; `before` is the last session of the page before."""
        ...

    def record(self, session: str) -> SessionRecord: ...
    def erase(self, session: str) -> tuple[str, ...]: ...


class Connection(Books, Protocol):
    """An agent within reach, to talk to and to teach."""

    agent: str
    author: str
    """Who speaks and teaches."""

    def chat(self, request: Chat) -> Generator[ReplyEvent]:
        """Events up to `Finished`; a reply that fails raises its error. Closing the generator cancels the reply."""
        ...

    def learn(self, lesson: Lesson, *, session: str | None, on_progress: OnProgress) -> Proof: ...
    def consolidate(self, session: str, *, on_progress: OnProgress) -> Proof: ...
    def learn_from_feedback(self, *, on_progress: OnProgress) -> Harvest: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    pid: int
    url: str
    health: dict[str, Any]


def connect(options: Options) -> Connection:
    """
    Raises:
        Conflict: the running server has another prior or agent than the options ask for.
        Unavailable: a server of this home runs but does not answer.
    """
    settings = options.settings()
    remote = _remote(options, settings)
    if remote is not None:
        return remote
    from liveoak.cli.local import Local

    with loading(settings.prior) as on_fetch:
        return Local(settings, options.who, on_fetch=on_fetch)


def open_books(options: Options) -> Books:
    """The same for verbs that need no model, which is not loaded then. Raises as `connect`."""
    settings = options.settings()
    remote = _remote(options, settings)
    if remote is not None:
        return remote
    from liveoak.cli.ondisk import OnDisk

    return OnDisk(settings, options.who)


def _remote(options: Options, settings: Settings) -> Connection | None:
    server = running_server(settings.home)
    if server is None:
        return None
    from liveoak.cli.remote import Remote

    _check_fits(server, settings, options)
    return Remote(server.url, agent=server.health["agent"], author=options.who)


def running_server(home: Path) -> RunningServer | None:
    """The server that HOME/server.json tells of; None where there is none, or it was killed and left its file.

    Raises:
        Unavailable: its process lives but does not answer.
    """
    path = home / "server.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        pid, url = int(told["pid"]), str(told["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        # No proxy of the environment may come between us and our own machine.
        answer = httpx.get(f"{url}/healthz", timeout=10, trust_env=False)
        health = answer.raise_for_status().json()
        return RunningServer(pid=pid, url=url, health=health) if "agent" in health else None
    except (httpx.HTTPError, ValueError) as error:
        if not _alive(pid) or isinstance(error, httpx.ConnectError):
            return None
        raise Unavailable(
            f"the server of {home} (process {pid}) does not answer at {url}: {error}; wait for it, or stop it"
        ) from None


def _check_fits(server: RunningServer, settings: Settings, options: Options) -> None:
    for name in ("prior", "agent"):
        asked, served = getattr(options, name), server.health.get(name)
        if asked is not None and asked != served:
            raise Conflict(
                f"--{name} {asked!r}: the server of {settings.home} (process {server.pid}) serves {served!r}; "
                f"leave --{name} out, stop that server, or use another --home"
            )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True
