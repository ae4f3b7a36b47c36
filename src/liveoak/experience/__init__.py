"""The durable record of what an agent lives through: append, query, replay, erase.

Knows records, tables and disks. Knows nothing of models, of what can be learned from a turn, or of who may teach: it
keeps feedback's trust as it was told.
"""

from liveoak.experience.entries import Erased, HeadMove, LessonRecord, LessonStatus, Stretch
from liveoak.experience.ids import new_id
from liveoak.experience.store import Experience

__all__ = ["Erased", "Experience", "HeadMove", "LessonRecord", "LessonStatus", "Stretch", "new_id"]
