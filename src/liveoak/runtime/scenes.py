"""One episode under way: a world, what was seen and said in it, and how it ended."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from liveoak.adapters import Slot
from liveoak.engine import Completion, Request
from liveoak.errors import WorldError
from liveoak.learning.distilling import looking_back
from liveoak.learning.lived import Lived
from liveoak.learning.transcript import Layout, Transcript
from liveoak.records import Sampling
from liveoak.signals import advice, advisor, moves
from liveoak.worlds import Choices, Contested, Step, World, scale_of

MOST_ADVISED = 4
"""Turns of an episode that are put right by what the world said; each is a prompt of its own."""
Acting = Literal["choices", "freely"]
"""Whether a reply is held to the actions that the world lists, where it lists any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One turn of the agent, as it was lived."""

    seen: str
    """What it answered."""
    said: str
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """One an id, before temperature and grammar; 0 where the token was forced."""
    forced: tuple[bool, ...]
    reward: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One episode, failed ones too."""

    number: int
    """Counted from 0 over the life."""
    world: str
    seed: int
    score: float
    """Sum of rewards, as the world gives them."""
    deeds: tuple[Deed, ...]
    ending: str
    """What was seen last."""
    failure: str | None
    """Why it broke off; it is not learned from then."""
    lived: Lived | None
    advised: tuple[Lived, ...] = ()
    """Turns that did not do what the world's answer named, with that in their place; the latest ones."""


class Scene:
    """Takes one world through one episode. The world failing is part of the episode, not an error."""

    def __init__(self, world: World, layout: Layout, *, number: int, seed: int, window: int) -> None:
        """
        Raises:
            UserError: instructions and first observation fill the window.
        """
        self._world, self._layout, self.number, self.seed = world, layout, number, seed
        self._deeds: list[Deed] = []
        self._possible: list[Sequence[str]] = []
        """What each turn could choose from; empty where the world lists nothing."""
        self._held: list[Sequence[str]] = []
        """What each reply was held to; empty where it was free."""
        self._score = 0.0
        self._sight = 0
        self.seen = ""
        self.over = False
        self._failure: str | None = None
        self._transcript: Transcript | None = None
        self._scale = scale_of(world)
        try:
            self.seen = world.reset(seed)
        except WorldError as error:
            self._fail(str(error))
        else:
            self._transcript = Transcript(layout, world.instructions, self.seen, window=window)

    def request(self, slot: Slot | None, *, acting: Acting, longest: int, chance: int) -> Request:
        """What the agent is asked next. `chance` seeds the life: episode and turn number do the rest."""
        assert self._transcript is not None
        key = f"{chance}/{self.number}/{len(self._deeds)}".encode()
        seed = int.from_bytes(hashlib.blake2b(key, digest_size=7).digest(), "big")
        listed = self._listed()
        self._possible.append(listed)
        self._held.append(() if acting == "freely" else listed)
        pattern = "|".join(re.escape(action) for action in self._held[-1]) or None
        sampling = Sampling(temperature=1.0, max_tokens=longest, seed=seed, pattern=pattern)
        return Request(ids=self._transcript.prompt, slot=slot, sampling=sampling)

    def act(self, reply: Completion) -> None:
        """The agent has replied; the world answers."""
        assert self._transcript is not None
        try:
            step = self._world.step(reply.text)
        except WorldError as error:
            self._fail(str(error))
            return
        self._take(reply, step)

    def fail(self, cause: str) -> None:
        """The episode cannot go on."""
        self._fail(cause)

    def attempt(self) -> Attempt:
        """What came of it."""
        lived, advised = None, ()
        if self._failure is None and self._transcript is not None:
            lived = self._transcript.lived(
                f"{self.number}", world=self._world.name, group=str(self.seed), told=self._looking_back()
            )
            if isinstance(self._world, Contested) and self._world.contested:
                # Who plays against the agent gives it no advice.
                lived = replace(lived, contested=True, beside=self._beside(self._transcript))
            else:
                lived, advised = self._advised(self._transcript, lived)
        return Attempt(
            number=self.number,
            world=self._world.name,
            seed=self.seed,
            score=self._score,
            deeds=tuple(self._deeds),
            ending=self.seen,
            failure=self._failure,
            lived=lived,
            advised=advised,
        )

    def _take(self, reply: Completion, step: Step) -> None:
        assert self._transcript is not None
        ids = tuple(token.id for token in reply.drawn)
        forced = tuple(token.forced for token in reply.drawn)
        logprobs = tuple(0.0 if token.forced else token.logprob for token in reply.drawn)
        self._transcript.act(self._turn(len(self._deeds)), ids, logprobs, [not one for one in forced])
        self._deeds.append(
            Deed(seen=self.seen, said=reply.text, ids=ids, logprobs=logprobs, forced=forced, reward=step.reward)
        )
        self._score += step.reward
        before, self._sight = self._sight, step.info.get("window", 0)
        self.seen, self.over = step.observation, step.done
        self._transcript.observe(
            step.observation, reward=step.reward * self._scale, apart=self._sight != before, over=step.done
        )

    def _looking_back(self) -> str:
        return looking_back(
            [
                (deed.said, deed.reward * self._scale, seen)
                for deed, seen in zip(self._deeds, self._answers(), strict=True)
            ]
        )

    def _answers(self) -> list[str]:
        """What the world said to each action."""
        return [*(deed.seen for deed in self._deeds[1:]), self.seen]

    def _advised(self, transcript: Transcript, lived: Lived) -> tuple[Lived, tuple[Lived, ...]]:
        """The episode with whether each turn heeded what was named for it, and those that did not."""
        source = advisor(self._world.name)
        heeded: dict[str, bool] = {}
        missed: list[tuple[int, str]] = []
        for place, (deed, action) in enumerate(zip(self._deeds, advice(self._possible, self._answers()), strict=True)):
            if action is None:
                continue
            heeded[self._turn(place)] = action.lower() == deed.said.strip().lower()
            if not heeded[self._turn(place)]:
                missed.append((place, action))
        acted = tuple(replace(turn, heeded=heeded.get(turn.turn)) for turn in lived.episode.acted)
        return replace(lived, episode=replace(lived.episode, acted=acted)), tuple(
            transcript.instead(
                place,
                action,
                possible=self._held[place],
                world=self._world.name,
                group=str(self.seed),
                source=source,
            )
            for place, action in missed[-MOST_ADVISED:]
        )

    def _beside(self, transcript: Transcript) -> tuple[Lived, ...]:
        """What somebody else did in its sight."""
        return tuple(
            transcript.elsewhere(
                number,
                move.seen,
                move.action,
                possible=self._held[move.turn],
                world=self._world.name,
                group=str(self.seed),
            )
            for number, move in enumerate(moves(self._possible, self._answers()))
        )

    def _turn(self, place: int) -> str:
        """The id of a turn of the agent."""
        return f"{self.number}/{place}"

    def _listed(self) -> Sequence[str]:
        if not isinstance(self._world, Choices):
            return ()
        try:
            return self._world.actions()
        except WorldError:
            # Whatever is wrong with it, its next answer will tell.
            return ()

    def _fail(self, failure: str) -> None:
        self._failure, self.over = failure, True
