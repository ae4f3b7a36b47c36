"""One model, many adapters: ragged batches forward and backward, sampling and scoring over one copy of the prior.

Knows the prior, slots and token sequences. Knows nothing of lessons, versions, sessions or who asked.
"""

from liveoak.engine.batch import Sequence, portioned, portions
from liveoak.engine.decoder import Completion, Decoder, Request, Ticket
from liveoak.engine.engine import SLICE, Engine, precise
from liveoak.engine.known import Known, Said
from liveoak.engine.pool import common_length
from liveoak.engine.readings import Readings
from liveoak.engine.sampling import Drawn, check_sampling
from liveoak.engine.scheduler import Kind, Scheduler, only_team
from liveoak.engine.shares import Shares

__all__ = [
    "SLICE",
    "Completion",
    "Decoder",
    "Drawn",
    "Engine",
    "Kind",
    "Known",
    "Readings",
    "Request",
    "Said",
    "Scheduler",
    "Sequence",
    "Shares",
    "Ticket",
    "check_sampling",
    "common_length",
    "only_team",
    "portioned",
    "portions",
    "precise",
]
