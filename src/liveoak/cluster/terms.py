"""On which terms a crew is hired on a cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    cores: int = 1
    """Cores of each worker, which takes so many threads."""
    gpus: float = 0
    """GPUs of each worker; a half lets two share one."""
    retries: int = 2
    """How often a task is begun again whose worker was lost."""
    arrival: float = 120
    """Seconds until the first worker must have come."""
    patience: float = 60
    """Seconds to wait for another one where all are lost, before giving up."""

    def __post_init__(self) -> None:
        if self.cores < 1 or min(self.gpus, self.retries) < 0 or min(self.arrival, self.patience) <= 0:
            raise ValueError(f"{self!r}: expected at least 1 core, no count below 0, and more than 0 s to wait")
