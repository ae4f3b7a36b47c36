"""Places to live and to be examined in: small worlds of known truth, invented firms' handbooks, and other libraries'.

Knows actions, observations, rewards, questions and true answers. Knows nothing of models, of lessons, or of how a reply
was made.
"""

from liveoak.worlds.built_in.study import Entry, Material, Question, Source
from liveoak.worlds.built_in.texts import AskedText, read_texts, split_of_text
from liveoak.worlds.contract import check, violations
from liveoak.worlds.episodes import Episode, Policy, expert, guessing, mediocre, play, scale_of
from liveoak.worlds.grading import answered, f1, normalised
from liveoak.worlds.guard import Guarded
from liveoak.worlds.handbook import MOST_FACTS, Handbook, HandbookFact, make_handbook
from liveoak.worlds.protocol import Choices, Contested, Imagined, Known, Step, World
from liveoak.worlds.registry import WorldEntry, as_world, entry_of, world, worlds
from liveoak.worlds.ruled import About, RuledWorld, Rules
from liveoak.worlds.seeds import Split, seed_of, seeds, split_of

__all__ = [
    "MOST_FACTS",
    "About",
    "AskedText",
    "Choices",
    "Contested",
    "Entry",
    "Episode",
    "Guarded",
    "Handbook",
    "HandbookFact",
    "Imagined",
    "Known",
    "Material",
    "Policy",
    "Question",
    "RuledWorld",
    "Rules",
    "Source",
    "Split",
    "Step",
    "World",
    "WorldEntry",
    "answered",
    "as_world",
    "check",
    "entry_of",
    "expert",
    "f1",
    "guessing",
    "make_handbook",
    "mediocre",
    "normalised",
    "play",
    "read_texts",
    "scale_of",
    "seed_of",
    "seeds",
    "split_of",
    "split_of_text",
    "violations",
    "world",
    "worlds",
]
