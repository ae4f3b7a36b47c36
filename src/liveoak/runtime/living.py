"""Living in a world: many episodes at once, and learning from them as they end. One stream, no phases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from liveoak.adapters import Slot
from liveoak.engine import Decoder, Engine
from liveoak.errors import BadSettings, LearningError, WorldError
from liveoak.learning.demonstrating import demonstrated
from liveoak.learning.learner import Learner, Report
from liveoak.learning.lived import Lived
from liveoak.learning.transcript import Layout
from liveoak.runtime.scenes import Acting, Attempt, Scene
from liveoak.worlds import Guarded, Split, World, seed_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingSettings:
    """How a life is lived."""

    together: int = 32
    """Episodes that are lived at once, and then learned from."""
    group: int = 4
    """Of those, how many share a seed, so that their rewards can be compared."""
    window: int = 512
    """Most tokens of a prompt; then the latest turns begin a new one."""
    longest: int = 16
    """Most tokens of an action."""
    acting: Acting = "choices"
    seconds: float = 10.0
    """Limit of each answer of the world."""
    shown: int = 0
    """Demonstrations by the world's expert that each round learns from too; at most `together`."""
    skill: float = 1.0
    """How often whoever demonstrates acts as the expert would."""

    def __post_init__(self) -> None:
        if not (1 <= self.group <= self.together and self.together % self.group == 0):
            raise BadSettings(f"{self.together!r} episodes at once in groups of {self.group!r}: expected whole groups")
        if not (0 <= self.shown <= self.together and 0 <= self.skill <= 1):
            raise BadSettings(
                f"{self.shown!r} demonstrations a round by an expert of skill {self.skill!r}: expected at most "
                f"{self.together!r}, and a skill from 0 to 1"
            )
        if not (self.window >= 1 and self.longest >= 1 and self.seconds > 0):
            raise BadSettings(f"{self!r}: expected a window, a longest action and seconds above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Episodes that were lived together, and what was learned from them."""

    number: int
    attempts: tuple[Attempt, ...]
    report: Report | None
    """None: nothing is learned in this life, or nothing could be."""
    failure: str | None = None
    """Why nothing could be learned."""

    @property
    def score(self) -> float | None:
        """Mean score of the episodes that did not fail."""
        return mean_score(self.attempts)


class Living:
    """An agent in a world. `learner` None: a frozen agent, that acts as `slot` or as the prior.

    Equal seeds give equal lives on one machine. Use it as a context manager, or close it, to give the worlds back.
    """

    def __init__(
        self,
        engine: Engine,
        decoder: Decoder,
        make: Callable[[], World],
        learner: Learner | None,
        settings: LivingSettings | None = None,
        *,
        slot: Slot | None = None,
        seed: int = 0,
        begun: int = 0,
    ) -> None:
        """`make` makes a world, one for each episode at once; `begun` is the number of rounds behind.

        Raises:
            BadSettings: a window that the prior or the decoder has no room for.
            WorldError: the world cannot be made.
        """
        self.settings, self.learner = settings or LivingSettings(), learner
        self._decoder, self._make, self._seed, self._slot = decoder, make, seed, slot
        self.rounds_lived = begun
        most = min(engine.prior.context_length, decoder.pool.capacity)
        if self.settings.window + self.settings.longest > most:
            raise BadSettings(
                f"a window of {self.settings.window!r} tokens and actions of {self.settings.longest!r}: the prior and "
                f"the decoder's cache have room for {most}"
            )
        self._layout = Layout(engine.tokenizer)
        self._stack = ExitStack()
        self._worlds: list[Guarded] = [self._new_world()]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the worlds back."""
        self._stack.close()

    @property
    def slot(self) -> Slot | None:
        """The weights that act."""
        return self.learner.slot if self.learner is not None else self._slot

    def rest(self) -> None:
        """Live on with the weights as they are, and learn nothing any more."""
        self._slot, self.learner = self.slot, None

    @property
    def world(self) -> World:
        """One of the worlds, to ask its name or instructions."""
        return self._worlds[0]

    def rounds(self, episodes: int) -> Iterator[Round]:
        """Rounds until `episodes` are lived in all; the last may be over."""
        while self.rounds_lived * self.settings.together < episodes:
            yield self.round()

    def round(self) -> Round:
        """Live some episodes, then learn from them."""
        count = self.settings.together
        first = self.rounds_lived * count
        numbers = range(first, first + count)
        attempts = self._live([(number, seed_of("train", number // self.settings.group)) for number in numbers])
        report, failure = self._learn(attempts)
        self.rounds_lived += 1
        return Round(number=self.rounds_lived - 1, attempts=attempts, report=report, failure=failure)

    def exam(self, count: int, *, split: Split = "held_out", start: int = 0, chance: int = 0) -> tuple[Attempt, ...]:
        """Episodes of a split that nothing is learned from. `chance` gives others on the same seeds."""
        found: list[Attempt] = []
        for done in range(0, count, self.settings.together):
            numbers = range(start + done, start + min(count, done + self.settings.together))
            cast = [(number, seed_of(split, number)) for number in numbers]
            found.extend(self._live(cast, chance=-1 - chance))
        return tuple(found)

    def _live(self, cast: Sequence[tuple[int, int]], chance: int | None = None) -> tuple[Attempt, ...]:
        """Episodes of these numbers and seeds, a turn of all at a time."""
        settings = self.settings
        while len(self._worlds) < len(cast):
            self._worlds.append(self._new_world())
        scenes = [
            Scene(world, self._layout, number=number, seed=seed, window=settings.window)
            for world, (number, seed) in zip(self._worlds, cast, strict=False)
        ]
        chance = self._seed if chance is None else chance
        while acting := [scene for scene in scenes if not scene.over]:
            requests = [
                scene.request(self.slot, acting=settings.acting, longest=settings.longest, chance=chance)
                for scene in acting
            ]
            for scene, reply in zip(acting, self._decoder.generate(requests), strict=True):
                scene.act(reply)
        return tuple(scene.attempt() for scene in scenes)

    def _learn(self, attempts: Sequence[Attempt]) -> tuple[Report | None, str | None]:
        if self.learner is None:
            return None, None
        lived = [attempt.lived for attempt in attempts if attempt.lived is not None]
        lived += [one for attempt in attempts for one in attempt.advised]
        failure = None
        try:
            lived += self._shown(attempts)
        except WorldError as error:
            failure = f"nothing was demonstrated: {error}"
        if not lived:
            return None, failure
        try:
            return self.learner.learn(lived), failure
        except LearningError as error:
            return None, str(error)

    def _shown(self, attempts: Sequence[Attempt]) -> list[Lived]:
        """What an expert would have done in some of the episodes."""
        seeds = list(dict.fromkeys(attempt.seed for attempt in attempts))
        wanted = [seeds[place % len(seeds)] for place in range(self.settings.shown)]
        return [
            lived
            for place, seed in enumerate(wanted)
            for lived in demonstrated(
                self._layout,
                self.world,
                [seed],
                skill=self.settings.skill,
                chance=self.rounds_lived * self.settings.together + place,
                window=self.settings.window,
            )
        ]

    def _new_world(self) -> Guarded:
        return self._stack.enter_context(Guarded(self._make, seconds=self.settings.seconds))


def mean_score(attempts: Sequence[Attempt]) -> float | None:
    """Over the episodes that did not fail; None where all did."""
    scores = [attempt.score for attempt in attempts if attempt.failure is None]
    return sum(scores) / len(scores) if scores else None
