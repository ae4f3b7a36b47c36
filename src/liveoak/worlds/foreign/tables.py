"""Best play in an environment whose whole table of transitions is known, with so many turns left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Transitions = Mapping[int, Mapping[int, Sequence[tuple[float, int, float, bool]]]]
"""State, action: what may follow, as (probability, next state, reward, done); Gymnasium's `P`."""


class Plan:
    """Expected rewards and best actions by dynamic programming over the turns left."""

    def __init__(self, transitions: Transitions, turns: int) -> None:
        self._values: list[dict[int, float]] = [dict.fromkeys(transitions, 0.0)]
        self._best: list[dict[int, int]] = [dict.fromkeys(transitions, 0)]
        for _ in range(turns):
            later = self._values[-1]
            worth = {
                state: {action: _mean(row, later) for action, row in rows.items()}
                for state, rows in transitions.items()
            }
            self._values.append({state: max(by_action.values()) for state, by_action in worth.items()})
            self._best.append({state: max(by_action, key=by_action.__getitem__) for state, by_action in worth.items()})

    def value(self, state: int, left: int) -> float:
        return self._values[left][state]

    def action(self, state: int, left: int) -> int:
        """A best action, and of several one that comes to the same in the fewest turns."""
        goal = self._values[left][state] - 1e-12
        enough = next(turns for turns in range(left + 1) if self._values[turns][state] >= goal)
        return self._best[enough][state]


def _mean(row: Sequence[tuple[float, int, float, bool]], later: Mapping[int, float]) -> float:
    return sum(chance * (reward + (0.0 if done else later[following])) for chance, following, reward, done in row)
