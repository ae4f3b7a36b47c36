"""reasoning-gym: one generated question an episode, marked by the dataset's own rule."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

from liveoak.errors import BadSettings
from liveoak.worlds.foreign.guest import Past, Replayed
from liveoak.worlds.foreign.library import library
from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About, RuledWorld
from liveoak.worlds.seeds import drawn


class QuestionGuest:
    def __init__(self, dataset: str, options: Mapping[str, Any]) -> None:
        self._create = library("reasoning_gym", world="reasoning-gym").create_dataset
        self._dataset, self._options = dataset, options

    def reset(self, seed: int) -> str:
        self._marker, self._entry = drawn(seed, self._draw)
        return str(self._entry["question"]).strip()

    def step(self, action: str) -> Step:
        return Step(observation="the end.", reward=self._marked(action), done=True)

    def actions(self) -> tuple[str, ...]:
        return ()

    def expert(self) -> str | None:
        answer = self._entry["answer"]
        return None if answer is None else str(answer)

    def value(self) -> float | None:
        answer = self.expert()
        return None if answer is None else self._marked(answer)

    def _marked(self, answer: str) -> float:
        return float(self._marker.score_answer(answer=answer, entry=self._entry))

    def _draw(self, number: int) -> tuple[Hashable, tuple[Any, Any]]:
        made = self._create(self._dataset, seed=number, size=1, **self._options)
        entry = made[0]
        return str(entry["question"]), (made, entry)


def reasoning_gym(*, dataset: str = "leg_counting", options: Mapping[str, Any] | None = None) -> RuledWorld[Past]:
    """`dataset`: a name of reasoning-gym, with its own `options`. No question is in both splits.

    Raises:
        Unavailable: reasoning-gym is not installed.
        BadSettings: no such dataset, or an option that it refuses.
    """
    gym = library("reasoning_gym", world="reasoning-gym")
    try:
        gym.create_dataset(dataset, seed=0, size=1, **(options or {}))
    except Exception as error:
        raise BadSettings(f"dataset = {dataset!r} with {options!r}: {error}; see reasoning-gym's gallery") from error
    about = About(name="reasoning-gym", instructions="Answer the question, and say nothing else.", turns=1)
    return RuledWorld(Replayed(about, partial(QuestionGuest, dataset, dict(options or {}))))
