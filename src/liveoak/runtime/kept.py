"""What a folder keeps of a run that may be cut off: one holder at a time, its orders, and where it can go on from.

Knows files. Knows nothing of what runs.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from liveoak.errors import Conflict, NotFound, StorageError

_log = logging.getLogger(__name__)
KEPT = 2
"""Checkpoints that stay, so that a damaged one has another before it."""
Order = TypeVar("Order", bound=BaseModel)
State = TypeVar("State")


def hold(folder: Path, stack: ExitStack, what: str) -> None:
    """Make the folder this process's own until the stack is closed.

    Raises:
        Conflict: another process holds it.
        StorageError: it cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(FileLock(folder / "lock").acquire(timeout=0))
    except Timeout:
        raise Conflict(f"the {what} in {str(folder)!r} is held by another process; take another --out") from None
    except OSError as error:
        raise StorageError(f"folder {str(folder)!r} cannot be used: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFile(Generic[Order]):
    """Where a folder says what was ordered. It does not change."""

    name: str
    what: str
    """What was ordered, in a word."""
    kind: type[Order]

    def read(self, folder: Path) -> Order:
        """
        Raises:
            NotFound: there are no orders.
            StorageError: they are damaged.
        """
        try:
            return self.kind.model_validate_json((folder / self.name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NotFound(f"no {self.what} in {str(folder)!r}: begin one there without --resume") from None
        except (OSError, ValidationError, ValueError) as error:
            raise StorageError(
                f"{self.what} in {str(folder)!r} cannot be read: {error}; restore {self.name} from a copy"
            ) from None

    def agree(self, folder: Path, order: Order) -> None:
        """Write the orders into a folder that has none, or find the same ones there.

        Raises:
            Conflict: it has others.
            StorageError: they cannot be written, or are damaged.
        """
        try:
            known = self.read(folder)
        except NotFound:
            try:
                draft = folder / f".{self.name}"
                draft.write_text(order.model_dump_json(indent=1), encoding="utf-8")
                draft.replace(folder / self.name)
            except OSError as error:
                raise StorageError(f"{self.what} not begun in {str(folder)!r}: {error}") from None
            return
        if known != order:
            now, then = order.model_dump(), known.model_dump()
            unlike = [f"{key} {then[key]!r}, not {now[key]!r}" for key in now if now[key] != then[key]]
            raise Conflict(
                f"the {self.what} in {str(folder)!r} has {'; '.join(unlike)}: take another --out, or the same orders"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """States by the number of rounds before them."""

    folder: Path
    what: str

    def found(self) -> list[tuple[int, Path]]:
        """Oldest first."""
        paths = (self.folder / "checkpoints").glob("[0-9]*")
        return sorted((int(path.name), path) for path in paths if path.name.isdigit())

    def latest(self, load: Callable[[Path], State]) -> tuple[State, int] | None:
        """The latest sound one, and how many rounds are behind it; None where there are none.

        Raises:
            StorageError: none can be read.
        """
        kept = self.found()
        failed: list[str] = []
        for number, path in reversed(kept):
            try:
                return load(path), number
            except StorageError as error:
                _log.warning("checkpoint %s is passed over: %s", path, error)
                failed.append(str(error))
        if kept:
            raise StorageError(
                f"no checkpoint of the {self.what} in {str(self.folder)!r} can be read: {failed[0]}; restore one from "
                "a copy, or begin anew in another folder"
            )
        return None

    def keep(self, number: int, save: Callable[[Path], None]) -> None:
        """One more; the oldest leave.

        Raises:
            StorageError: it cannot be written.
        """
        path = self.folder / "checkpoints" / f"{number:06}"
        # One that is there from before was passed over as damaged.
        shutil.rmtree(path, ignore_errors=True)
        save(path)
        for _, old in self.found()[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
