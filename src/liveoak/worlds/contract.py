"""What every world must keep to, as a suite that anybody can run on theirs.

In a test of one line: `check(lambda: world("switches"))`. What a world does not claim to know (`Choices`, `Known`,
`Imagined`) is not asked of it.
"""

from __future__ import annotations

import math
import pickle
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from liveoak.errors import WorldError
from liveoak.worlds.answers import observation_fault, step_fault
from liveoak.worlds.episodes import guessing
from liveoak.worlds.protocol import Choices, Contested, Imagined, Known, Step, World

Factory = Callable[[], World]
BAD_ACTIONS = ("", " ", "no such action", "\x00", "é€\u2028", "1e999", "-1", "x" * 2000)
_DELTA = 1e-6
"""Chance that a sound world of chance is called wrong about its value."""


def check(factory: Factory, *, seeds: Sequence[int] = tuple(range(12))) -> None:
    """Run the suite on worlds that the factory makes.

    Raises:
        AssertionError: the world breaks the contract; the message lists how.
    """
    found = violations(factory, seeds=seeds)
    if found:
        raise AssertionError("the world breaks its contract:\n" + "\n".join(f"- {line}" for line in found))


def violations(factory: Factory, *, seeds: Sequence[int] = tuple(range(12))) -> tuple[str, ...]:
    """Every way in which the world breaks the contract, one line each; empty for a sound one.

    Raises:
        ValueError: no seeds.
    """
    if not seeds:
        raise ValueError("seeds = (): expected at least one seed to check the world on")
    found: list[str] = []
    for aspect in _ASPECTS:
        try:
            broken = aspect(factory, seeds)
        except Exception as error:
            broken = f"raised {type(error).__name__}: {error}"
        if broken:
            found.append(f"{(aspect.__doc__ or '').rstrip('.')}: {broken}")
    return tuple(found)


def _describes_itself(factory: Factory, seeds: Sequence[int]) -> str | None:
    """A world has a name, instructions, a range of rewards and a number of turns."""
    world = factory()
    least, most = world.rewards
    if not (world.name and isinstance(world.instructions, str)):  # pyright: ignore[reportUnnecessaryIsInstance]
        return f"name {world.name!r}, instructions {world.instructions!r}"
    if not (math.isfinite(least) and math.isfinite(most) and least <= most):
        return f"rewards {world.rewards!r}; expected a finite least and a greater or equal most"
    if isinstance(world, Contested) and world.contested not in (True, False):
        return f"contested {world.contested!r}; expected whether somebody plays against the agent"
    return None if world.turns >= 1 else f"turns {world.turns!r}; expected 1 or more"


def _refuses_negative_seeds(factory: Factory, seeds: Sequence[int]) -> str | None:
    """A negative seed is a ValueError."""
    try:
        factory().reset(-1)
    except ValueError:
        return None
    return "reset(-1) began an episode"


def _answers_well(factory: Factory, seeds: Sequence[int]) -> str | None:
    """Observations are text, rewards are finite and in range, and an episode ends in time."""
    world = factory()
    for seed in seeds:
        opening = world.reset(seed)
        if fault := observation_fault(opening):
            return f"seed {seed}: {fault}"
        policy, seen = guessing(random.Random(seed)), opening
        for turn in range(1, world.turns + 1):
            action = policy(world, seen)
            step = world.step(action)
            if fault := step_fault(step, world.rewards):
                return f"seed {seed}, turn {turn}, action {action!r}: {fault}"
            if step.done:
                break
            seen = step.observation
        else:
            return f"seed {seed}: not done after {world.turns} turns"
    return None


def _ends(factory: Factory, seeds: Sequence[int]) -> str | None:
    """A step without a running episode is a WorldError, before the first reset and after the last step."""
    world = factory()
    for moment in ("before the first reset", "after done"):
        try:
            world.step("next")
        except WorldError:
            pass
        else:
            return f"a step {moment} was answered"
        _live(world, seeds[0], seeds[0])
    return None


def _answers_bad_actions(factory: Factory, seeds: Sequence[int]) -> str | None:
    """Actions that make no sense are answered like any other."""
    world = factory()
    for seed in seeds[:3]:
        world.reset(seed)
        for turn in range(world.turns):
            action = BAD_ACTIONS[turn % len(BAD_ACTIONS)]
            try:
                step = world.step(action)
            except Exception as error:
                return f"action {action!r} raised {type(error).__name__}: {error}"
            if fault := step_fault(step, world.rewards):
                return f"action {action!r}: {fault}"
            if step.done:
                break
        else:
            return f"seed {seed}: bad actions never end it ({world.turns} turns)"
    return None


def _repeats(factory: Factory, seeds: Sequence[int]) -> str | None:
    """Equal seeds and actions give equal episodes, whatever was lived before and whatever global chance is at."""
    world = factory()
    for seed in seeds:
        before = random.getstate()
        lived = _live(world, seed, seed)
        if random.getstate() != before:
            return "it draws from Python's global random state"
        for again in (factory(), world):
            if difference := _difference(lived, _live(again, seed, seed)):
                return f"seed {seed}: {difference}"
    return None


def _keeps_apart(factory: Factory, seeds: Sequence[int]) -> str | None:
    """Worlds lived in turns with each other go on as if alone."""
    one, other = factory(), factory()
    first, second = seeds[0], seeds[-1]
    alone = _live(one, first, 0), _live(other, second, 1)
    lives = [_living(one, first, 0), _living(other, second, 1)]
    together: tuple[list[Any], list[Any]] = ([], [])
    for moments in zip_longest(*lives):
        for kept, moment in zip(together, moments, strict=True):
            if moment is not None:
                kept.append(moment)
    for seed, expected, met in zip((first, second), alone, together, strict=True):
        if difference := _difference(expected, met):
            return f"seed {seed}, beside another: {difference}"
    return None


def _pickles(factory: Factory, seeds: Sequence[int]) -> str | None:
    """Pickled in mid-episode, a world goes on the same, and so does the original."""
    for seed in seeds:
        world = factory()
        whole = _live(world, seed, seed)
        for cut in {1, len(whole) // 2, len(whole) - 1} - {0, len(whole)}:
            living = _living(world, seed, seed)
            lived = [next(living) for _ in range(cut)]
            copy: World = pickle.loads(pickle.dumps(world))
            actions = [moment[0] for moment in whole[cut:]]
            for name, there in (("the copy", copy), ("the original", world)):
                rest = [(action, *_plain(there.step(action))) for action in actions]
                if difference := _difference(whole, lived + rest):
                    return f"seed {seed}, cut after {cut - 1} steps, {name}: {difference}"
    return None


def _imagines(factory: Factory, seeds: Sequence[int]) -> str | None:
    """What an action would bring is what it brings, and asking changes nothing."""
    world = factory()
    if not isinstance(world, Imagined):
        return None
    for seed in seeds:
        undisturbed = _live(world, seed, seed)
        policy, seen = guessing(random.Random(seed)), world.reset(seed)
        for turn in range(1, len(undisturbed)):
            others = world.actions() if isinstance(world, Choices) else ()
            for other in (*others, "no such action"):
                world.would(other)
            action = policy(world, seen)
            told = world.would(action)
            step = world.step(action)
            if told is not None and told != step.observation:
                return f"seed {seed}, turn {turn}: would({action!r}) told {told!r}, and {step.observation!r} came"
            if difference := _difference(undisturbed[turn : turn + 1], [(action, *_plain(step))]):
                return f"seed {seed}, turn {turn}, after asking: {difference}"
            seen = step.observation
    return None


def _knows_best(factory: Factory, seeds: Sequence[int]) -> str | None:
    """The expert reaches the value that the world states, by possible actions."""
    world = factory()
    if not isinstance(world, Known):
        return None
    reached, stated = list[float](), list[float]()
    for seed in seeds if not world.chance else range(50 * len(seeds)):
        world.reset(seed)
        value = world.value()
        if value is None:
            continue
        score = 0.0
        for _ in range(world.turns):
            action = world.expert()
            if action is None:
                return f"seed {seed}: it states a value of {value} and has no expert to reach it"
            possible = world.actions() if isinstance(world, Choices) else ()
            if possible and action not in possible:
                return f"seed {seed}: the expert says {action!r}, which is none of {possible}"
            step = world.step(action)
            score += step.reward
            if step.done:
                break
        if not world.chance and not math.isclose(score, value, abs_tol=1e-9):
            return f"seed {seed}: the expert reached {score}, and {value} was stated"
        reached.append(score)
        stated.append(value)
    return _unlikely(reached, stated, world.rewards) if len(reached) > 1 else None


def _unlikely(reached: list[float], stated: list[float], rewards: tuple[float, float]) -> str | None:
    """Whether the means differ by more than chance explains, after the bound of Maurer and Pontil (2009).

    Their bound wants the range of an episode's score; that of a step stands in for it, and the variance does the rest.
    """
    count, gaps = len(reached), [score - value for score, value in zip(reached, stated, strict=True)]
    doubt = math.log(4 / _DELTA)
    slack = math.sqrt(2 * statistics.variance(gaps) * doubt / count)
    slack += 7 * (rewards[1] - rewards[0]) * doubt / (3 * (count - 1))
    if abs(statistics.fmean(gaps)) <= slack:
        return None
    mean, told = statistics.fmean(reached), statistics.fmean(stated)
    return f"over {count} seeds the expert reached {mean:.4g} on average, and {told:.4g} was stated"


_ASPECTS: tuple[Callable[[Factory, Sequence[int]], str | None], ...] = (
    _describes_itself,
    _refuses_negative_seeds,
    _answers_well,
    _ends,
    _answers_bad_actions,
    _repeats,
    _keeps_apart,
    _pickles,
    _imagines,
    _knows_best,
)


def _living(world: World, seed: int, chance: int) -> Iterator[tuple[Any, ...]]:
    """An episode of guesses, moment by moment: (action, observation, reward, done, info)."""
    seen = world.reset(seed)
    yield "", seen, 0.0, False, {}
    policy = guessing(random.Random(chance))
    for _ in range(world.turns):
        action = policy(world, seen)
        step = world.step(action)
        yield action, *_plain(step)
        if step.done:
            return
        seen = step.observation


def _live(world: World, seed: int, chance: int) -> list[tuple[Any, ...]]:
    return list(_living(world, seed, chance))


def _plain(step: Step) -> tuple[Any, ...]:
    return step.observation, step.reward, step.done, dict(step.info)


def _difference(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> str | None:
    for turn, (left, right) in enumerate(zip_longest(one, other)):
        if left != right:
            return f"turn {turn} was {left!r}, then {right!r}"
    return None
