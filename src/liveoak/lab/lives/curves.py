"""Learning curves as numbers: when a score was reached, and where two curves cross. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SCORED = 96
"""Episodes that a score is the mean of, so that one lucky round is not a score reached."""


def scored(together: int) -> int:
    """Rounds of `together` episodes that a score is the mean of."""
    return max(1, SCORED // together)


def trailing(scores: Sequence[float], last: int) -> list[float]:
    """For each round, the mean of it and the `last - 1` before; the first rounds have fewer."""
    return [sum(part := scores[max(0, end - last) : end]) / len(part) for end in range(1, len(scores) + 1)]


def episodes_to(scores: Sequence[float], threshold: float, together: int) -> int | None:
    """Episodes lived in rounds of `together` until the mean of the last `SCORED` was enough; None: it never was.

    Fewer are never enough.
    """
    last = scored(together)
    for place, score in enumerate(trailing(scores, last)):
        if place >= last - 1 and score >= threshold:
            return (place + 1) * together
    return None


def threshold_between(guess: float, expert: float, share: float) -> float:
    """The score that lies `share` of the way from guessing to the expert."""
    return guess + share * (expert - guess)


def crossing(behind: Mapping[int, float], ahead: Mapping[int, float]) -> int | None:
    """Episodes after which the curve that begins behind is level or better, and stays so to the end; None: never.

    Curves are scores by episodes; only episodes that both have count.
    """
    both = sorted(set(behind) & set(ahead))
    found: int | None = None
    for episodes in both:
        if behind[episodes] < ahead[episodes]:
            found = None
        elif found is None:
            found = episodes
    return found
