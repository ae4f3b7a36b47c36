"""The learner of one continuous stream: finished episodes come in, steps on one slot go out. No phases.

What each signal makes of an episode is `liveoak.signals`' matter; here is which signals are asked, how much each
counts, what of the past is repeated, and what is remembered from one call to the next.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from liveoak.adapters import Slot
from liveoak.engine import Engine
from liveoak.learning.adam import AdamSettings
from liveoak.learning.anchoring import Anchors
from liveoak.learning.arms import EVERYBODYS, LearnerSettings
from liveoak.learning.balancing import Balanced, Task
from liveoak.learning.crediting import credited
from liveoak.learning.distilling import distilled
from liveoak.learning.foreseeing import Foreseen, foresee
from liveoak.learning.lived import Lived, by_window
from liveoak.learning.memory import Memory, load_state, save_state
from liveoak.learning.objective import ANCHOR, REWARD, TRANSITION, Example
from liveoak.learning.reservoir import Reservoir
from liveoak.learning.scoring import costs, demonstration_costs
from liveoak.learning.trying import gains, heeding
from liveoak.learning.update import Step, Stride, Update, mean_losses, step_together
from liveoak.learning.winning import Wins
from liveoak.records import Credit
from liveoak.signals import (
    Measured,
    Source,
    Standing,
    TransitionSettings,
    advisor,
    heeded,
    imitation,
    naive_transition,
    reward,
    teacher_of,
    transition,
    wanted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one call did."""

    losses: Mapping[str, float]
    """Nats per credited token by signal, before each step, over the steps on fresh episodes."""
    credited: Mapping[str, int]
    """Tokens with credit by signal, each counted once."""
    steps: int
    """0: nothing had credit."""
    processed: int
    """Tokens that were run forward and backward."""
    silent: tuple[str, ...]
    """For each group of episodes without reward credit, why."""
    groups: int
    reward: float | None
    """Mean worth of the rewarded episodes."""
    weights: Mapping[str, float]
    """By world, what the transition signal weighs after it, in steps that have something to do as well."""
    explained: float | None
    """Share of the variance of returns that the learned value foresaw; None: it was not asked."""
    standing: Mapping[Source, float]
    """By source, what its demonstrations of this call weighed."""
    refused: tuple[str, ...]
    """For each source that was refused, why."""


class Learner:
    """Learns into `slot`, which whoever acts may read between two calls."""

    def __init__(
        self,
        engine: Engine,
        settings: LearnerSettings,
        *,
        seed: int = 0,
        slot: Slot | None = None,
        reference: Slot | None = None,
        teacher: Slot | None = None,
        memory: Memory | None = None,
        anchors: Anchors | None = None,
        adam: AdamSettings | None = None,
    ) -> None:
        """`slot`, `reference`, `teacher` and `memory` go on from where they are; without, they begin. `anchors` is what
        the anchor holds; without, it holds the agent's own actions."""
        self.engine, self.settings, self.seed = engine, settings, seed
        bank, adam = engine.bank, adam or AdamSettings()
        self.slot = slot or bank.new_slot(rank=settings.rank, seed=seed)
        self._update = Update(engine, self.slot, {ANCHOR: settings.anchor}, adam)
        self.reference: Slot | None = None
        """Learns from all that is observed, and only says what could be known."""
        if settings.transition == "selected":
            self.reference = reference or bank.new_slot(rank=settings.rank, seed=seed + 1)
            self._watching = Update(engine, self.reference, {}, adam)
        self.teacher = teacher
        """Weights as they were, of the agent that knows how an episode ended; None: nothing was distilled yet."""
        self.memory = memory or Memory(
            past=Reservoir(room=settings.remembered, seed=seed),
            wins=Wins(
                own=Reservoir(room=settings.remembered, seed=seed),
                rivals=Reservoir(room=settings.remembered, seed=seed),
            ),
            standing=Standing() if settings.standing is None else Standing(settings=settings.standing),
        )
        self._anchors = anchors or Anchors(engine)

    @classmethod
    def resume(
        cls, engine: Engine, settings: LearnerSettings, folder: Path, *, seed: int = 0, anchors: Anchors | None = None
    ) -> Self:
        """A learner that goes on from what `save` kept.

        Raises:
            StorageError: missing or damaged files.
            Conflict: it was kept over another prior.
        """
        slot, reference, teacher, memory = load_state(engine.bank, folder)
        return cls(
            engine,
            settings,
            seed=seed,
            slot=slot,
            reference=reference,
            teacher=teacher,
            memory=memory,
            anchors=anchors,
        )

    def save(self, folder: Path) -> None:
        """Keep all that it is in a folder that does not exist yet; written whole or not at all.

        Raises:
            StorageError: it cannot be written.
        """
        save_state(folder, self.slot, self.reference, self.teacher, self.memory)

    def learn(self, episodes: Sequence[Lived], *, stale: bool = False) -> Report:
        """Learn from finished episodes, each given once. `stale`: other weights than the slot's acted in them.

        Raises:
            LearningError: the update diverged; the steps before it stay.
        """
        memory = self.memory
        episodes = [one for one in episodes if self.settings.advice or not _is_advice(one.source)]
        rng = random.Random(f"learn/{self.seed}/{memory.calls}")
        repeated = memory.past.some(round(self.settings.replay * len(episodes))) if self.settings.replay else []
        wins = memory.wins.after(episodes) if self.settings.winners else memory.wins
        won = self._won(wins, episodes)
        balanced = self._balanced()
        foreseen = self._foreseen(episodes)
        silent, groups, advantages = self._rewards(episodes, foreseen)
        standing = self._standing(episodes, advantages)
        proximal = self._proximal(episodes) if stale and self.settings.reward else [None] * len(episodes)
        seen = self._transitions([*episodes, *repeated])
        taught = self._taught([*episodes, *repeated])
        made: list[list[Example]] = []
        for place, one in enumerate((*episodes, *repeated)):
            fresh = place < len(episodes)
            own = [(advantages[place], proximal[place])] if fresh and self.settings.reward else []
            own += [(_times(credit, 1.0 if balanced else self._fixed), None) for credit in seen[place]]
            if self._imitates(one.source):
                signal = "advice" if _is_advice(one.source) else "imitation"
                own.append((imitation(one.episode.rendered, self._trust(standing, one.source), signal), None))
            if (told := _advisor_of(one)) is not None and self._imitates(told):
                own.append((heeded(one.episode, self._trust(standing, told)), None))
            made.append([*_examples(one, own), *taught[place]])
        made += map(self._as_won, won)
        worlds = [one.world for one in (*episodes, *repeated, *won)]
        done = self._steps(made, worlds, len(episodes), rng, balanced)
        worths = [worth for one in episodes if (worth := one.worth) is not None]
        self._remember(episodes, wins, foreseen, standing, balanced)
        sources = self._sources(episodes)
        return Report(
            losses=mean_losses(step.losses for step in done),
            credited=_counted(made[: len(episodes)]),
            steps=len(done),
            processed=sum(step.processed for step in done),
            silent=tuple(silent) if self.settings.reward else (),
            groups=groups if self.settings.reward else 0,
            reward=sum(worths) / len(worths) if worths else None,
            weights={one.world: balanced.weight(one.world) if balanced else self._fixed for one in episodes}
            if self.settings.transition != "off"
            else {},
            explained=foreseen.explained if foreseen is not None else None,
            standing={source: standing.weight(source) for source in sources},
            refused=tuple(why for source in sources if (why := standing.refusal(source)) is not None),
        )

    @property
    def _fixed(self) -> float:
        """What the transition signal weighs where it is not balanced."""
        return self.settings.weight if self.settings.reward and self.settings.transition != "naive" else 1.0

    def _balanced(self) -> Balanced | None:
        """This call's steps where the transition signal's weight is found; None: it has one, or none is asked for."""
        settings = self.settings
        if settings.balance is None or not settings.reward or settings.transition in ("off", "naive"):
            return None
        return Balanced(self._update, settings.balance, self.memory.balances)

    def _sources(self, episodes: Sequence[Lived]) -> list[Source]:
        """Whose demonstrations are weighed."""
        if self.settings.standing is None:
            return []
        found = [source for one in episodes for source in (one.source, _advisor_of(one)) if source is not None]
        return list(dict.fromkeys(source for source in found if self._imitates(source)))

    def _imitates(self, source: Source | None) -> bool:
        """Whether what a source demonstrated, or a world named, is learned from."""
        return self.settings.advice if _is_advice(source) else self.settings.imitation

    def _compares(self, episodes: Sequence[Lived]) -> bool:
        """Whether it is asked what was better: to learn from it, or to know whom to imitate."""
        return self.settings.reward or bool(self._sources(episodes))

    def _foreseen(self, episodes: Sequence[Lived]) -> Foreseen | None:
        settings = self.settings
        if settings.rewarded.baseline != "value" or not self._compares(episodes):
            return None
        return foresee(self.engine, self.memory.values, episodes, settings.value, settings.rewarded.discount)

    def _standing(self, episodes: Sequence[Lived], advantages: Sequence[Credit]) -> Standing:
        """What is known of all sources, with what is learned of those of this call."""
        sources = self._sources(episodes)
        if not sources:
            return self.memory.standing
        shown: dict[Source, list[Example]] = {}
        for source in sources:
            if not _is_advice(source):
                own = [(one, imitation(one.episode.rendered)) for one in episodes if one.source == source]
                shown[source] = [example for one, credit in own for example in _examples(one, [(credit, None)])]
        found = gains(self._update, shown, episodes, advantages, self.settings.rate)
        return self.memory.standing.after(found | self._heeding(sources, episodes, advantages))

    def _heeding(
        self, sources: Sequence[Source], episodes: Sequence[Lived], advantages: Sequence[Credit]
    ) -> dict[Source, float]:
        """What heeding each world's advice gained: who did as was named, by chance, and who did not, tell."""
        found: dict[Source, float] = {}
        for source in filter(_is_advice, sources):
            places = [place for place, one in enumerate(episodes) if one.world == source.author]
            gain = heeding([episodes[place] for place in places], [advantages[place] for place in places])
            found |= {} if gain is None else {source: gain}
        return found

    def _won(self, wins: Wins, episodes: Sequence[Lived]) -> list[Lived]:
        """What this call imitates of those who won: of some, what the agent is not sure to do already."""
        contests = sum(one.contested for one in episodes)
        count = round(self.settings.winners * contests)
        drawn = wins.some(count, rivals=self.settings.rivals) if count else []
        found = demonstration_costs(self.engine, self.slot, drawn)
        return [one for one, own in zip(drawn, found, strict=True) if any(cost > self._enough for cost in own.values())]

    @property
    def _enough(self) -> float:
        """What may be left of the surprise at a winner's token, in nats."""
        return -math.log(self.settings.sure)

    def _as_won(self, one: Lived) -> list[Example]:
        credit = imitation(one.episode.rendered, self.settings.winning, "winners")
        return [replace(example, enough=self._enough) for example in _examples(one, [(credit, None)])]

    def _trust(self, standing: Standing, source: Source | None) -> float:
        return 1.0 if source is None or self.settings.standing is None else standing.weight(source)

    def _rewards(self, episodes: Sequence[Lived], foreseen: Foreseen | None) -> tuple[list[str], int, list[Credit]]:
        """Why groups are silent, how many groups there are, and the credit of each episode."""
        if not self._compares(episodes):
            return [], 0, []
        groups: dict[str, list[int]] = {}
        for place, one in enumerate(episodes):
            key = f"{one.world}/{one.group}" if self.settings.compare == "group" else one.world
            groups.setdefault(key, []).append(place)
        silent: list[str] = []
        found: dict[int, Credit] = {}
        for places in groups.values():
            values = [foreseen.values[place] for place in places] if foreseen is not None else None
            done = reward([episodes[place].episode for place in places], self.settings.rewarded, values)
            silent += [done.silent] if done.silent else []
            found |= dict(zip(places, done.credits, strict=True))
        return silent, len(groups), [found[place] for place in range(len(episodes))]

    def _transitions(self, episodes: Sequence[Lived]) -> list[list[Credit]]:
        """None or one credit for each episode."""
        mode = self.settings.transition
        if mode == "off":
            return [[] for _ in episodes]
        if mode == "naive":
            return [[naive_transition(one.episode.rendered)] for one in episodes]
        if mode == "answers":
            plain = TransitionSettings(after=EVERYBODYS)
            return [[transition(one.episode, plain)] for one in episodes]
        select = self.settings.select
        places = [wanted(one.episode.rendered, select) for one in episodes]
        current, reference = (costs(self.engine, slot, episodes, places) for slot in (self.slot, self.reference))
        return [
            [
                transition(
                    one.episode,
                    select,
                    boilerplate=self.memory.boilerplate,
                    measured=Measured(current=now, reference=known),
                )
            ]
            for one, now, known in zip(episodes, current, reference, strict=True)
        ]

    def _taught(self, episodes: Sequence[Lived]) -> list[list[Example]]:
        """What the agent would have said that had read what became of each episode, by weights of some time ago."""
        if not self.settings.distillation:
            return [[] for _ in episodes]
        calls = self.memory.calls
        if self.teacher is None or (calls and teacher_of(calls, self.settings.renewed) == calls):
            self.teacher = self.engine.run(self.slot.fork)
            self.teacher.forget_steps()
        return distilled(self.engine, self.slot, self.teacher, episodes)

    def _proximal(self, episodes: Sequence[Lived]) -> list[Mapping[int, float]]:
        """Log-probabilities of the actions under the weights that this call starts from."""
        found = costs(self.engine, self.slot, episodes, [one.episode.places for one in episodes])
        return [{place: -value for place, value in one.items()} for one in found]

    def _steps(
        self,
        made: Sequence[list[Example]],
        worlds: Sequence[str],
        fresh: int,
        rng: random.Random,
        balanced: Balanced | None,
    ) -> list[Step]:
        """Deal the episodes out to steps, what is repeated among them."""
        done: list[Step] = []
        for _ in range(self.settings.passes):
            order, repeated = list(range(fresh)), list(range(fresh, len(made)))
            rng.shuffle(order)
            for part in range(self.settings.parts):
                mine = [*order[part :: self.settings.parts], *repeated[part :: self.settings.parts]]
                if balanced is not None:
                    step = balanced.step(self._task({place: made[place] for place in mine}, worlds), self.settings.rate)
                    done += [] if step is None else [step]
                    continue
                strides = self._strides([example for place in mine for example in made[place]])
                for step in step_together(strides)[:1]:
                    if not isinstance(step, Step):
                        raise step
                    done.append(step)
        return done

    def _strides(self, examples: list[Example]) -> list[Stride]:
        """What the slot learns, and what its reference does; nothing where nothing has credit."""
        if not any(any(example.credit) for example in examples):
            return []
        examples = self._held(examples)
        self._update.alphas = {ANCHOR: self.settings.anchor, **self._alphas(examples)}
        return [Stride(update=self._update, examples=examples, rate=self.settings.rate)]

    def _task(self, made: Mapping[int, list[Example]], worlds: Sequence[str]) -> Task:
        """The same for a step whose transition signal is balanced, world by world."""
        telling: dict[str, list[Example]] = {}
        doing: list[Example] = []
        for place, examples in made.items():
            told = [example for example in examples if example.signal == TRANSITION]
            telling.setdefault(worlds[place], []).extend(told)
            doing += [example for example in examples if example.signal != TRANSITION]
        if any(any(example.credit) for example in doing):
            doing = self._held(doing)
        return Task(doing=doing, telling={world: sorted(own, key=_by_tokens) for world, own in telling.items()})

    def _held(self, examples: list[Example]) -> list[Example]:
        """With what the anchor holds, in the order in which beginnings are shared."""
        if self.settings.anchor:
            examples = [*examples, *self._anchors.examples(examples, self.memory.calls)]
        return sorted(examples, key=_by_tokens)

    def _alphas(self, examples: Sequence[Example]) -> dict[str, float]:
        """The naive way: one mean over all tokens, so that many observed ones drown a few actions."""
        if self.settings.transition != "naive":
            return {}
        counts: dict[str, int] = {}
        for example in examples:
            counts[example.signal] = counts.get(example.signal, 0) + sum(credit != 0 for credit in example.credit)
        counts.pop(ANCHOR, None)
        return {signal: count / sum(counts.values()) for signal, count in counts.items()}

    def _remember(
        self,
        episodes: Sequence[Lived],
        wins: Wins,
        foreseen: Foreseen | None,
        standing: Standing,
        balanced: Balanced | None,
    ) -> None:
        settings, memory = self.settings, self.memory
        boilerplate = memory.boilerplate
        if settings.transition == "selected":
            boilerplate = boilerplate.after([one.episode.rendered for one in episodes], settings.select.after)
            self._watch(episodes)
        past = memory.past.after([replace(one, beside=()) for one in episodes]) if settings.replay else memory.past
        self.memory = replace(
            memory,
            calls=memory.calls + 1,
            past=past,
            balances=memory.balances if balanced is None else balanced.balances,
            boilerplate=boilerplate,
            values=foreseen.after if foreseen is not None else memory.values,
            standing=standing,
            wins=wins,
        )

    def _watch(self, episodes: Sequence[Lived]) -> None:
        """The reference learns after it was asked, so that it is only ever asked about what it has not seen."""
        made = [
            example for one in episodes for example in _examples(one, [(naive_transition(one.episode.rendered), None)])
        ]
        for part in range(self.settings.parts):
            some = sorted(made[part :: self.settings.parts], key=lambda example: example.ids)
            if some:
                self._watching.step(some, self.settings.rate)


def _examples(lived: Lived, credits: Sequence[tuple[Credit, Mapping[int, float] | None]]) -> list[Example]:
    found: list[Example] = []
    for credit, proximal in credits:
        acted = lived.episode.acted if credit.signal == REWARD else ()
        example = credited(lived.episode.rendered, credit, acted, proximal)
        found += by_window(lived, example) if example is not None else []
    return found


def _by_tokens(example: Example) -> tuple[int, ...]:
    return example.ids


def _is_advice(source: Source | None) -> bool:
    return source is not None and source.kind == "advice"


def _advisor_of(one: Lived) -> Source | None:
    """Whose advice some of its turns had; None where nothing was named."""
    named = any(turn.heeded is not None for turn in one.episode.acted)
    return advisor(one.world) if named else None


def _times(credit: Credit, weight: float) -> Credit:
    if weight == 1:
        return credit
    return Credit(signal=credit.signal, weights=tuple(weight * value for value in credit.weights))


def _counted(made: Sequence[Sequence[Example]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for examples in made:
        for example in examples:
            found[example.signal] = found.get(example.signal, 0) + sum(credit != 0 for credit in example.credit)
    return found
