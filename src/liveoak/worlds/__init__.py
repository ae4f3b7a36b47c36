"""Places to live and to be examined in. For now: handbooks of invented firms, and the grading of answers.

Knows texts, questions and true answers. Knows nothing of models, lessons or how a reply was made.
"""

from liveoak.worlds.grading import answered, f1, normalised
from liveoak.worlds.handbook import MOST_FACTS, Handbook, HandbookFact, make_handbook

__all__ = ["MOST_FACTS", "Handbook", "HandbookFact", "answered", "f1", "make_handbook", "normalised"]
