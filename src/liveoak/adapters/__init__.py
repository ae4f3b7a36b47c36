"""Slots of low-rank adapters over one frozen prior.

Knows linear layers, slots, their optimizer state, snapshots on disk and PEFT directories.
Knows nothing of tokens, chats, losses or versions.
"""

from liveoak.adapters.bank import Bank, Route
from liveoak.adapters.lowrank import Ours, frozen
from liveoak.adapters.peft_format import WEIGHTS, export_peft, import_peft
from liveoak.adapters.slots import Layout, Slot
from liveoak.adapters.snapshot import digest, load_snapshot, save_snapshot

__all__ = [
    "WEIGHTS",
    "Bank",
    "Layout",
    "Ours",
    "Route",
    "Slot",
    "digest",
    "export_peft",
    "frozen",
    "import_peft",
    "load_snapshot",
    "save_snapshot",
]
