"""When a process of ours looks for garbage."""

import gc

import pytest

from liveoak import cli, garbage


def test_a_command_looks_seldom_and_is_exempt_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, frozen = gc.get_threshold(), gc.get_freeze_count()
    seen: list[tuple[int, int, int]] = []

    def run(arguments: list[str]) -> int:
        seen.append(gc.get_threshold())
        return 7

    monkeypatch.setattr(cli, "run", run)
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 7
        assert seen[0][0] >= 100_000
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)


def test_work_of_others_runs_as_it_would_elsewhere() -> None:
    before = gc.get_threshold()
    try:
        garbage.look_as_usual()
        usual = gc.get_threshold()
        garbage.look_seldom()
        assert gc.get_threshold() != usual
        garbage.look_as_usual()
        assert gc.get_threshold() == usual
    finally:
        gc.set_threshold(*before)
