"""Transition: how the world answers the agent's actions, learned from what was observed after them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from liveoak.errors import UserError
from liveoak.records import Credit, Origin, Rendered
from liveoak.signals.answers import OWN, Answer, answers
from liveoak.signals.boilerplate import Boilerplate
from liveoak.signals.episode import Episode, places_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionSettings:
    """Which observed tokens are learned from, and how much."""

    after: frozenset[Origin] = OWN
    """Whose actions: acted, demonstrated, or both."""
    boilerplate: float = 0.0
    """What a token that recurs whatever was done is worth. A prior that cannot spell yet needs some of it."""
    least: float = 0.05
    """Excess loss in nats up to which a token is known, or cannot be known."""
    scale: float = 1.0
    """Excess loss beyond `least` at which a token has its whole credit."""
    entropy: float | None = None
    """Surprise of an action in nats a token at which its answer has its whole credit; an action that was taken without
    a doubt teaches `sure` of that. None: all actions alike."""
    sure: float = 0.2

    def __post_init__(self) -> None:
        if not (0 <= self.boilerplate <= 1 and 0 <= self.sure <= 1 and self.least >= 0 and self.scale > 0):
            raise UserError(f"{self!r}: expected boilerplate and sure from 0 to 1, least >= 0 and scale > 0")
        if self.entropy is not None and self.entropy <= 0:
            raise UserError(f"{self!r}: expected an entropy above 0, or None")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Losses in nats of the token at each place, under the current weights and under a reference.

    The reference must know what can be known: weights of its own that learn slowly, from all observed tokens, of other
    episodes than these. A lagging copy of the current weights will not do: it is never ahead.
    """

    current: Mapping[int, float]
    reference: Mapping[int, float]


def transition(
    episode: Episode,
    settings: TransitionSettings | None = None,
    *,
    boilerplate: Boilerplate | None = None,
    measured: Measured | None = None,
) -> Credit:
    """Credit in [0, 1] on observed tokens that follow an action: a product of weights, each 1 where not asked for.

    Raises:
        UserError: a place that needs a loss has none, or one that is not a number.
    """
    settings = settings or TransitionSettings()
    rendered = episode.rendered
    weights = [0.0] * len(rendered.ids)
    recurring = boilerplate.places(rendered, settings.after) if boilerplate else frozenset[int]()
    surprise = {
        place: -value for turn in episode.acted for place, value in zip(turn.places, turn.logprobs, strict=True)
    }
    for answer in answers(rendered, settings.after):
        doubt = _doubt(answer, surprise, settings)
        for place in answer.places:
            weight = doubt * (settings.boilerplate if place in recurring else 1.0)
            if measured is not None and weight:
                weight *= learnability(*_losses(episode, measured, place), settings)
            weights[place] = weight
    return Credit(signal="transition", weights=tuple(weights))


def wanted(rendered: Rendered, settings: TransitionSettings | None = None) -> tuple[int, ...]:
    """Positions whose losses `transition` looks at."""
    after = (settings or TransitionSettings()).after
    return tuple(place for answer in answers(rendered, after) for place in answer.places)


def learnability(current: float, reference: float, settings: TransitionSettings) -> float:
    """A weight in [0, 1] from the excess of the current loss over the reference's.

    What the reference knows and the agent does not can be learned. Noise costs both its entropy, and what is known
    costs both nothing; the two get 0, however surprising they are.
    Source: reducible holdout loss (Mindermann et al. 2022) and Rho-1 (Lin et al. 2024), which keep the best share of
    tokens; here the weight is continuous, so that nothing is learned from where nothing is left to learn.
    """
    return max(0.0, min(1.0, (current - reference - settings.least) / settings.scale))


def naive_transition(rendered: Rendered) -> Credit:
    """Credit 1 on every observed token, whoever acted and whatever it says: the baseline to be beaten."""
    weights = [0.0] * len(rendered.ids)
    for place in places_of(rendered, Origin.OBSERVED):
        weights[place] = 1.0
    return Credit(signal="transition", weights=tuple(weights))


def _doubt(answer: Answer, surprise: Mapping[int, float], settings: TransitionSettings) -> float:
    """The mean surprise of the sampled tokens estimates the entropy of the action."""
    sampled = [surprise[place] for place in answer.action if place in surprise]
    if settings.entropy is None or not sampled:
        return 1.0
    share = min(1.0, max(0.0, sum(sampled) / len(sampled) / settings.entropy))
    return settings.sure + (1 - settings.sure) * share


def _losses(episode: Episode, measured: Measured, place: int) -> tuple[float, float]:
    pair = measured.current.get(place), measured.reference.get(place)
    if pair[0] is None or pair[1] is None or not (math.isfinite(pair[0]) and math.isfinite(pair[1])):
        raise UserError(
            f"place {place} of episode {episode.id!r} has current and reference loss {pair!r}; expected finite numbers "
            "at every place of wanted()"
        )
    return pair[0], pair[1]
