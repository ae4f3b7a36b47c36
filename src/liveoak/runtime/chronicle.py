"""A life in the durable record: each episode a session, each of its rewards feedback by the world."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import groupby

from liveoak.errors import NotFound
from liveoak.experience import Experience
from liveoak.records import Feedback, Message, Origin, Session, Span, Turn
from liveoak.runtime.scenes import Attempt, Deed


class Chronicle:
    """Records attempts. The world is the author of what it says, and trusted: it is the ground truth of its rewards.

    Ids follow from the life's name and the episode's number, and what is there already is left as it is, so that a life
    which was cut off may record the same episodes again.
    """

    def __init__(
        self,
        experience: Experience,
        *,
        life: str,
        agent: str,
        instructions: str,
        scale: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`scale` brings the world's rewards into [-1, 1]."""
        self._experience, self._life, self._agent = experience, life, agent
        self._instructions, self._scale, self._clock = instructions, scale, clock

    def record(self, attempt: Attempt, version: str | None) -> str:
        """The id of the session that holds the episode, failed ones too. `version` is who acted."""
        session, now = f"session_{self._life}_{attempt.number}", self._clock()
        if not self._has_turns(session):
            self._experience.add_session(Session(id=session, agent=self._agent, author=attempt.world, created=now))
            self._experience.append(*self._turns(session, attempt, version, now))
        known = {word.id for word in self._experience.feedback(session=session)}
        for word in self._feedback(session, attempt, now):
            if word.id not in known:
                self._experience.add_feedback(word)
        return session

    def _has_turns(self, session: str) -> bool:
        try:
            self._experience.session(session)
        except NotFound:
            return False
        return self._experience.last_index(session) is not None

    def _turns(self, session: str, attempt: Attempt, version: str | None, now: float) -> Iterator[Turn]:
        system = Message(role="system", content=self._instructions)
        yield Turn(id=f"turn_{session}_0", session=session, index=0, message=system, origin=Origin.GIVEN, created=now)
        index = 1
        seen = [*(deed.seen for deed in attempt.deeds), attempt.ending]
        for deed, observation in zip([*attempt.deeds, None], seen, strict=True):
            yield self._turn(session, index, Message(role="user", content=observation), Origin.OBSERVED, now)
            index += 1
            if deed is not None:
                yield Turn(
                    id=f"turn_{session}_{index}",
                    session=session,
                    index=index,
                    message=Message(role="assistant", content=deed.said),
                    origin=Origin.ACTED,
                    created=now,
                    ids=deed.ids,
                    logprobs=deed.logprobs,
                    version=version,
                    spans=_spans(deed),
                )
                index += 1

    def _turn(self, session: str, index: int, message: Message, origin: Origin, now: float) -> Turn:
        return Turn(
            id=f"turn_{session}_{index}", session=session, index=index, message=message, origin=origin, created=now
        )

    def _feedback(self, session: str, attempt: Attempt, now: float) -> Iterator[Feedback]:
        """Rewards other than 0, and always the last, so that an episode of reward 0 is a rewarded one."""
        for number, deed in enumerate(attempt.deeds):
            last = number == len(attempt.deeds) - 1
            if (deed.reward or last) and attempt.failure is None:
                yield Feedback(
                    id=f"feedback_{session}_{number}",
                    turn=f"turn_{session}_{2 + 2 * number}",
                    author=attempt.world,
                    kind="reward",
                    created=now,
                    value=deed.reward * self._scale,
                    trusted=True,
                )
        if attempt.failure is not None and attempt.deeds:
            yield Feedback(
                id=f"feedback_{session}_failure",
                turn=f"turn_{session}_{2 * len(attempt.deeds)}",
                author=attempt.world,
                kind="comment",
                created=now,
                text=f"failed: {attempt.failure}",
                trusted=True,
            )


def _spans(deed: Deed) -> tuple[Span, ...]:
    """Empty where the agent chose every token."""
    spans: list[Span] = []
    for forced, run in groupby(deed.forced):
        start = spans[-1].end if spans else 0
        spans.append(Span(origin=Origin.SCAFFOLD if forced else Origin.ACTED, start=start, end=start + len(list(run))))
    return tuple(spans) if any(deed.forced) else ()
