"""An agent whose every word is known beforehand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liveoak.engine import Completion, Drawn, Request, Ticket
from liveoak.runtime import Runtime


class Scripted:
    """Puts words into the agent's mouth: each reply is the next of these, up to a stop string that it meets."""

    def __init__(self, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
        self.requests: list[Request] = []
        self._texts = list(texts)
        self._encode = runtime._engine.tokenizer.encode  # pyright: ignore[reportPrivateUsage]
        # The speaker's decoder alone: study and gate go on with the real one.
        monkeypatch.setattr(runtime._speaker, "_decoder", self)  # pyright: ignore[reportPrivateUsage]

    def submit(self, request: Request, listener: Callable[[Drawn, str], None] | None = None) -> Ticket:
        self.requests.append(request)
        text, met = self._texts.pop(0), None
        for stop in request.sampling.stop:
            if stop in text:
                text, met = text[: text.index(stop)], stop
        drawn = tuple(Drawn(id=id, logprob=-1.0, top=()) for id in self._encode(text))
        ticket = Ticket(request=request)
        ticket.completion = Completion(drawn=drawn, text=text, finish="stop", stopped_by=met)
        ticket.done.set()
        return ticket
