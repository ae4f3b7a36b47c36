"""The demonstration: a real server that is asked, taught, killed, restarted and rolled back, seen from outside.

Knows the HTTP API and the official `openai` client. Knows nothing of what goes on behind the address.
"""

from liveoak.lab.demo.client import Client
from liveoak.lab.demo.document import converse, tell_document
from liveoak.lab.demo.outcome import Outcome
from liveoak.lab.demo.server import Server
from liveoak.lab.demo.staging import Ended, Staging, stage, start
from liveoak.lab.demo.story import Plan, tell_handbook
from liveoak.lab.demo.teller import Teller

__all__ = [
    "Client",
    "Ended",
    "Outcome",
    "Plan",
    "Server",
    "Staging",
    "Teller",
    "converse",
    "stage",
    "start",
    "tell_document",
    "tell_handbook",
]
