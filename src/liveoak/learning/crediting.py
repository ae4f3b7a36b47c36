"""From credit on tokens to what the objective takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from liveoak.errors import LearningError
from liveoak.learning.objective import REWARD, Example
from liveoak.records import Credit, Rendered
from liveoak.signals import Acted


def credited(
    rendered: Rendered, credit: Credit, acted: Sequence[Acted] = (), proximal: Mapping[int, float] | None = None
) -> Example | None:
    """One example of every token with credit, predicted from those before it; None where no token has any.

    The first token follows nothing and is never learned. For reward, `acted` brings what was recorded; `proximal` the
    log-probabilities, by place, of tokens that other weights sampled than those that the update starts from.

    Raises:
        LearningError: credit of another length than the tokens, or reward on a token that was not sampled.
    """
    if len(credit.weights) != len(rendered.ids):
        raise LearningError(
            f"signal {credit.signal!r} has {len(credit.weights)} weights; expected one for each of "
            f"{len(rendered.ids)} tokens"
        )
    places = [place for place, weight in enumerate(credit.weights) if weight and place]
    if not places:
        return None
    recorded = {place: value for turn in acted for place, value in zip(turn.places, turn.logprobs, strict=True)}
    sampled = starts = ()
    if credit.signal == REWARD:
        if missing := [place for place in places if place not in recorded]:
            raise LearningError(
                f"reward credits tokens at {missing!r}, which the agent did not sample: give the episode's acted turns"
            )
        sampled = tuple(recorded[place] for place in places)
        if proximal:
            starts = tuple(proximal.get(place, recorded[place]) for place in places)
    return Example(
        signal=credit.signal,
        ids=rendered.ids[: places[-1]],
        wanted=tuple(place - 1 for place in places),
        credit=tuple(credit.weights[place] for place in places),
        targets=tuple(rendered.ids[place] for place in places),
        sampled=sampled,
        proximal=starts,
    )
