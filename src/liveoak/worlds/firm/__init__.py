"""The stuff of which handbooks of invented firms are made: topics, kinds of fact, and pools of answers.

Knows words and templates. Knows nothing of models, lessons or grading.
"""

from liveoak.worlds.firm.equipment import EQUIPMENT
from liveoak.worlds.firm.history import HISTORY
from liveoak.worlds.firm.kinds import Kind, Pool, Topic
from liveoak.worlds.firm.leave import LEAVE
from liveoak.worlds.firm.money import MONEY
from liveoak.worlds.firm.offices import OFFICES
from liveoak.worlds.firm.people import PEOPLE
from liveoak.worlds.firm.pools import Pools, firm_name
from liveoak.worlds.firm.products import PRODUCTS
from liveoak.worlds.firm.safety import SAFETY

TOPICS = (PEOPLE, OFFICES, MONEY, EQUIPMENT, SAFETY, LEAVE, PRODUCTS, HISTORY)

__all__ = ["TOPICS", "Kind", "Pool", "Pools", "Topic", "firm_name"]
