"""A process of its own that talks and learns until it is killed, and says what was acknowledged.

    python living.py HOME CACHE FIRST

`FIRST` numbers its lessons. Each line on stdout is an acknowledgement: a turn, or a version with its lesson and the
bits that it scores with.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

from small_life import QUICK, WIDE, chat, lesson, user

from liveoak.config import Settings
from liveoak.runtime import Progress, Runtime

WORDS = ("Oak", "Elm", "Ash", "Fir", "Yew")


def main(home: str, cache: str, first: int) -> None:
    settings = Settings(home=Path(home), cache=Path(cache), prior="scratch", threads=1, gate=WIDE)
    recipe = replace(QUICK, views=dict.fromkeys(("low", "medium", "high"), 6))
    with Runtime(settings, recipe=recipe) as runtime:
        say("ready")
        threading.Thread(target=talk, args=(runtime,), daemon=True).start()
        for number in itertools.count(first):
            taught = lesson(f"l{number}", statements=(f"Door {number} is called {WORDS[number % 5]} Gate.",))
            proof = runtime.learn(taught, on_progress=lambda progress: told(progress))
            say("version", proof.version, taught.id, bits(runtime))


def talk(runtime: Runtime) -> None:
    for number in itertools.count():
        say("turn", runtime.ask(chat(f"Question {number}", session=f"s{os.getpid()}")).turn)


def told(progress: Progress) -> None:
    say("stage", progress.stage)


def bits(runtime: Runtime) -> str:
    return ",".join(number.hex() for number in runtime.score([user("Who?")], "Runa"))


def say(*words: str) -> None:
    # Past Python's buffer, or the acknowledgement would die with the process.
    os.write(1, (" ".join(words) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
