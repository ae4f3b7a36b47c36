"""Small worlds in pure Python, whose truth is known to the last.

Knows rules. Knows nothing of agents, texts longer than a few lines, or how anything is learned.
"""

from liveoak.worlds.built_in.bandit import Bandit
from liveoak.worlds.built_in.drift import Drift
from liveoak.worlds.built_in.journey import Journey
from liveoak.worlds.built_in.ledger import Ledger
from liveoak.worlds.built_in.noisy import Noisy
from liveoak.worlds.built_in.reading import HandbookPages
from liveoak.worlds.built_in.rooms import Rooms
from liveoak.worlds.built_in.study import Material, Question, Study
from liveoak.worlds.built_in.switches import Switches
from liveoak.worlds.built_in.texts import Texts

__all__ = [
    "Bandit",
    "Drift",
    "HandbookPages",
    "Journey",
    "Ledger",
    "Material",
    "Noisy",
    "Question",
    "Rooms",
    "Study",
    "Switches",
    "Texts",
]
