"""What is shown while a prior is fetched."""

from __future__ import annotations

import io
import sys

import pytest

from liveoak.cli.screen import loading


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_one_line_for_each_thing_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    with loading("some-prior") as on_fetch:
        for done in (0, 50 * 2**20, 94 * 2**20):
            on_fetch("fetching some-prior", done, 94 * 2**20)
        on_fetch("unpacking some-prior", 1, 257 * 2**20)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == ["fetching some-prior (94 MiB)", "unpacking some-prior (257 MiB)"]


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with loading("some-prior") as on_fetch:
        on_fetch("fetching some-prior", 47 * 2**20, 94 * 2**20)
    drawn = terminal.getvalue()
    assert "fetching some-prior" in drawn
    assert "47.0/94.0 MiB" in drawn
    # The cursor is shown again, as often as it was hidden.
    assert drawn.count("\x1b[?25l") == drawn.count("\x1b[?25h") > 0


def test_a_load_that_fails_gives_the_terminal_back(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(ValueError, match="no such prior"), loading("some-prior"):
        raise ValueError("no such prior")
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h")
