"""A process of its own that appends until it is done or killed, and says what was acknowledged.

    python appender.py STORE SESSION COUNT [GATE]

With a gate it says "ready", and begins once that file is there. Each further
line on stdout is an acknowledgement: the table and the id of what is durable by then.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from record_samples import a_session, a_turn, a_version, feedback_on

from liveoak.experience import Experience
from liveoak.records import Lesson


def main(store: str, session: str, count: int, gate: str | None) -> None:
    if gate is not None:
        say("ready", session)
        while not Path(gate).exists():
            time.sleep(0.001)
    with Experience(Path(store), patience=30.0) as experience:
        experience.add_session(a_session(session))
        say("session", session)
        last = experience.last_index(session)
        first = 0 if last is None else last + 1
        for index in range(first, first + count):
            turn = a_turn(index, session, text=f"{session} {index} " * (index % 50), ids=(index,) * (index % 200))
            experience.append(turn)
            say("turn", turn.id)
            experience.add_feedback(feedback_on(turn.id, f"f-{turn.id}"))
            say("feedback", f"f-{turn.id}")
            experience.add_lesson(Lesson(id=f"l-{turn.id}", topic="t"), session=session, author="ann", created=1.0)
            say("lesson", f"l-{turn.id}")
            experience.add_version(a_version(f"v-{turn.id}", lessons=(f"l-{turn.id}",)))
            say("version", f"v-{turn.id}")
            if gate is not None:
                time.sleep(0.005)  # Others that wait for the store's lock get it, however they poll.


def say(kind: str, id: str) -> None:
    # Past Python's buffer, or the acknowledgement would die with the process.
    os.write(1, f"{kind} {id}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)
