"""The one thread that computes, for replies and lessons alike.

OpenMP keeps a team of threads for every thread that computes; with more teams than cores, each sleeps at every step.
So whoever wants something computed hands it over and waits. Replies are computed a step at a time by the decoder that
is served; a lesson's work calls `breathe` in its midst, where replies that are due go first.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import torch

from liveoak.engine.shares import Shares
from liveoak.errors import Unavailable

T = TypeVar("T")
Kind = Literal["serve", "study"]
"""Whose time it takes: that of people who wait for a reply, or that of learning."""
HAND_OVER = 0.0002
"""Seconds that Python runs another thread before the computing thread, which gives way at every operation, goes on:
at Python's own 5 ms a busy thread beside it makes each token take several times as long."""
_log = logging.getLogger(__name__)


class Served(Protocol):
    """Replies under way, computed piece by piece."""

    def step(self) -> bool:
        """Compute a piece of some ten milliseconds. False when there is nothing to do until the next `wake`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    work: Callable[[], Any]
    result: Future[Any] = field(default_factory=Future[Any])

    def run(self) -> None:
        if not self.result.set_running_or_notify_cancel():
            return
        try:
            done = self.work()
        except BaseException as error:  # the border: whatever breaks, its caller hears it and the thread goes on
            self.result.set_exception(error)
            # The error holds this frame and those around it: none may hold the job, or each error would hold itself.
            del self
        else:
            self.result.set_result(done)


class _Inbox:
    """What waits to be computed. Any thread may add to it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jobs: dict[Kind, deque[_Job]] = {"serve": deque(), "study": deque()}
        self.awake = False
        """The served decoder may have something to do."""
        self._closed = False

    @property
    def serving(self) -> bool:
        """Somebody waits for a reply or a score."""
        return self.awake or bool(self._jobs["serve"])

    @property
    def studying(self) -> bool:
        """Work of learning waits."""
        return bool(self._jobs["study"])

    def put(self, job: _Job, kind: Kind) -> None:
        with self._changed:
            if self._closed:
                raise _closed()
            self._jobs[kind].append(job)
            self._changed.notify()

    def take(self, kind: Kind) -> _Job | None:
        with self._changed:
            return self._jobs[kind].popleft() if self._jobs[kind] else None

    def wake(self) -> None:
        with self._changed:
            self.awake = True
            self._changed.notify()

    def wait(self) -> bool:
        """Until there is something; False when nothing will come any more."""
        with self._changed:
            while not (self._closed or self.serving or self.studying):
                self._changed.wait()
            return not self._closed

    def close(self) -> None:
        """Take no more; who still waits is told."""
        with self._changed:
            self._closed = True
            left = [job for jobs in self._jobs.values() for job in jobs]
            for jobs in self._jobs.values():
                jobs.clear()
            self._changed.notify()
        for job in left:
            if job.result.set_running_or_notify_cancel():
                job.result.set_exception(_closed())


class Scheduler:
    """The computing thread. It begins with the first work and ends with `close`, or when nobody holds it any more."""

    def __init__(
        self,
        *,
        threads: int | None = None,
        shares: Shares | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`threads` is the size of the thread's team; None is what torch would take in the calling thread."""
        self._threads = threads or torch.get_num_threads()
        self._shares, self._clock = shares or Shares(), clock
        self._inbox = _Inbox()
        self._served: Served | None = None
        self._steps_next = False
        """Replies under way have waited for somebody's score."""
        self._here: int | None = None
        self._preemptible = False
        self._mark = 0.0
        """When the part of a lesson's work that is not in the account began."""
        self._contested = False
        """Replies were waiting when it began."""
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._end = weakref.finalize(self, self._inbox.close)

    def serve(self, served: Served) -> None:
        """Step this whenever it has something to do, which `wake` says."""
        self._served = served

    def wake(self) -> None:
        """There is something to do for what is served."""
        self._inbox.wake()
        self._start()

    def run(self, work: Callable[[], T], kind: Kind = "study") -> T:
        """Compute `work` in the computing thread and wait for what it returns; there already, it runs at once.

        Raises:
            Unavailable: the scheduler is closed.
            and whatever `work` raises.
        """
        if threading.get_ident() == self._here:
            return work()
        job = _Job(work=work)
        try:
            self._inbox.put(job, kind)
            self._start()
            job.result.exception()
        except BaseException:
            # Ctrl-C, mostly. The caller lets go of what the work uses, so that what has begun must end first.
            if not job.result.cancel():
                job.result.exception()
            raise
        try:
            return job.result.result()
        finally:
            del job  # as in `_Job.run`

    def breathe(self) -> None:
        """Called in the midst of a lesson's work: let replies go first where they are due. Else it costs nothing."""
        if not self.can_breathe or not self._inbox.serving:
            return
        self._account()
        if not self._shares.serving_is_due:
            return
        self._preemptible = False
        try:
            while self._inbox.serving and self._shares.serving_is_due:
                self._serve(contested=True)
        finally:
            self._preemptible = True
            self._mark, self._contested = self._clock(), self._inbox.serving

    @property
    def can_breathe(self) -> bool:
        """The caller is work of learning, in the computing thread."""
        return self._preemptible and threading.get_ident() == self._here

    def close(self) -> None:
        """End the thread with what it is at. Work that has not begun, and all that comes later, is refused."""
        self._end()
        if self._thread is not None and threading.get_ident() != self._here:
            self._thread.join()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_compute, args=(weakref.ref(self), self._inbox), name="liveoak-compute", daemon=True
                )
                self._thread.start()

    def begin(self) -> None:
        """Called once by the computing thread itself."""
        self._here = threading.get_ident()
        torch.set_num_threads(self._threads)
        # Asked for once: a thread that was not takes the number that another thread has set by its first computation.
        torch.get_num_threads()

    def turn(self) -> None:
        """Compute one piece for whoever is due. Called by the computing thread alone."""
        inbox = self._inbox
        if inbox.serving and (self._shares.serving_is_due or not inbox.studying):
            self._serve(contested=inbox.studying)
        elif job := inbox.take("study"):
            self._mark, self._contested, self._preemptible = self._clock(), inbox.serving, True
            try:
                job.run()
            finally:
                del job
                self._preemptible = False
                self._account()

    def _serve(self, *, contested: bool) -> None:
        began = self._clock()
        job = None if self._steps_next and self._inbox.awake else self._inbox.take("serve")
        self._steps_next = job is not None
        if job is not None:
            job.run()
            del job
        elif self._inbox.awake:
            self._step()
        self._shares.served(self._clock() - began, contested=contested)

    def _step(self) -> None:
        # Lowered first: a request that comes during the step raises it again.
        self._inbox.awake = False
        if self._served is None:
            return
        try:
            more = self._served.step()
        except BaseException:  # the border: nothing that is served may end the thread
            _log.exception("a step of serving failed; it is tried again with the next request")
            return
        if more:
            self._inbox.awake = True

    def _account(self) -> None:
        now = self._clock()
        self._shares.studied(now - self._mark, contested=self._contested)
        self._mark, self._contested = now, self._inbox.serving


@contextmanager
def only_team(threads: int, shares: Shares | None = None) -> Generator[Scheduler]:
    """A scheduler whose thread has a team of `threads`, and is not held up by others.

    Other threads compute alone meanwhile, what little they do, and give Python back quickly.
    """
    before, interval = torch.get_num_threads(), sys.getswitchinterval()
    scheduler = Scheduler(threads=threads, shares=shares)
    scheduler.run(lambda: None)
    # Threads begin with the number that was set last; the computing thread has begun with its own.
    torch.set_num_threads(1)
    sys.setswitchinterval(HAND_OVER)
    try:
        yield scheduler
    finally:
        scheduler.close()
        torch.set_num_threads(before)
        sys.setswitchinterval(interval)


def _compute(scheduler: weakref.ref[Scheduler], inbox: _Inbox) -> None:
    """The thread's life. It holds the scheduler only while it computes, so that one nobody holds can end."""
    begun = False
    while inbox.wait():
        held = scheduler()
        if held is None:
            return
        if not begun:
            held.begin()
            begun = True
        held.turn()
        del held


def _closed() -> Unavailable:
    return Unavailable("the engine is closed: nothing is computed any more; open it again")
