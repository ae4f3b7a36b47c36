"""Where a crew is hired, as one word of a command line."""

from __future__ import annotations

import re
import socket
from functools import partial

from liveoak.cluster.ray_crew import RayCrew, ray_library
from liveoak.cluster.terms import Terms
from liveoak.crew import Crew, Hire, Processes
from liveoak.errors import Unavailable, UserError

LOCAL, AUTO = "local", "auto"
CLIENT_PORT, HEAD_PORT = 10001, 6379
"""Where Ray's client server and its head listen unless told otherwise."""
_ADDRESS = re.compile(r"(?P<client>ray://)?(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")


def hire_at(address: str, terms: Terms | None = None) -> Hire:
    """Hiring at `local`: processes of this machine; `auto`: the Ray cluster that this machine is part of;
    `HOST[:PORT]`: the same by its head; `ray://HOST[:PORT]`: a cluster seen from outside, through its client server.

    Nothing is connected yet.

    Raises:
        UserError: no such address, or Ray is not installed.
    """
    terms = terms or Terms()
    if address == LOCAL:
        return partial(_processes, terms)
    found = _ADDRESS.fullmatch(address)
    port = int(found["port"] or (CLIENT_PORT if found["client"] else HEAD_PORT)) if found else 0
    if found is None or not 0 < port < 2**16:
        raise UserError(f"cluster {address!r}: expected local, auto, ray://HOST[:PORT] or HOST[:PORT]")
    ray_library()
    if address == AUTO:
        return partial(_on_ray, AUTO, None, terms)
    host = found["host"]
    return partial(_on_ray, f"{found['client'] or ''}{host}:{port}", (host.strip("[]"), port), terms)


def _processes(terms: Terms, workers: int | None) -> Crew:
    return Processes(workers, retries=terms.retries)


def _on_ray(address: str, listening: tuple[str, int] | None, terms: Terms, workers: int | None) -> Crew:
    if listening is not None:
        _knock(address, *listening)
    return RayCrew(address, workers, terms=terms)


def _knock(address: str, host: str, port: int) -> None:
    """Ray itself tries for a minute or more where nobody listens.

    Raises:
        Unavailable: nobody listens there.
    """
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        raise Unavailable(
            f"no Ray cluster answers at {address!r}: {error}; on its head, run `ray start --head`, and mind firewalls"
        ) from None
