"""Workers that carry out tasks: the interface, a crew in this process, and one of processes on this machine.

Knows how tasks are handed out, lost, tried again and added up. Knows nothing of what a task is, nor of other machines,
which are `liveoak.cluster`'s.
"""

from liveoak.crew.alone import Alone
from liveoak.crew.average import Average, Push, average
from liveoak.crew.keeping import forget, once
from liveoak.crew.processes import THREADS, Processes, check_can_travel, cores
from liveoak.crew.protocol import Crew, Failure, Hire, Weights, attempt
from liveoak.crew.roll import Hands, Outcome, carry_out
from liveoak.crew.share import Share, Shared

__all__ = [
    "THREADS",
    "Alone",
    "Average",
    "Crew",
    "Failure",
    "Hands",
    "Hire",
    "Outcome",
    "Processes",
    "Push",
    "Share",
    "Shared",
    "Weights",
    "attempt",
    "average",
    "carry_out",
    "check_can_travel",
    "cores",
    "forget",
    "once",
]
