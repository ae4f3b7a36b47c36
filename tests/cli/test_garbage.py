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


def test_a_process_of_ours_looks_seldom_until_it_is_told_to_look_as_usual() -> None:
    garbage.look_as_usual()
    usual, frozen = gc.get_threshold(), gc.get_freeze_count()
    garbage.look_as_usual()
    assert gc.get_threshold() == usual and gc.get_freeze_count() == frozen, "nobody had said that it should not"
    garbage.look_seldom()
    garbage.look_seldom()
    assert gc.get_threshold() != usual
    garbage.look_as_usual()
    assert gc.get_threshold() == usual and gc.get_freeze_count() > frozen
