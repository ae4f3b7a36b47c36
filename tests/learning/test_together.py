"""Many slots in one pass: each ends where it would alone, fails alone, and leaves when it has finished."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import Way, engine_by, every_way, some_ids, tiny_engine, ways_of
from tolerances import TOLERANCES

from liveoak.adapters import Slot, load_snapshot, save_snapshot
from liveoak.engine import Engine
from liveoak.errors import LearningError
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import ANCHOR, Example
from liveoak.learning.slices import passes
from liveoak.learning.update import Step, Stride, Update, step_together


def imitation(length: int, seed: int, first: int = 1) -> Example:
    ids = some_ids(length + 1, seed)
    return Example(
        signal="imitation",
        ids=ids[:-1],
        wanted=tuple(range(first - 1, length)),
        credit=(1.0,) * (length - first + 1),
        targets=ids[first:],
    )


def anchor(engine: Engine, length: int, seed: int) -> Example:
    ids = some_ids(length, seed)
    generator = torch.Generator().manual_seed(seed)
    teacher = torch.randn(length, engine.vocabulary, generator=generator).log_softmax(-1)
    return Example(signal=ANCHOR, ids=ids, wanted=tuple(range(length)), credit=(1.0,) * length, teacher=teacher)


class Pupil:
    """A slot with a lesson of its own: its rank, rate, weights of signals and number of steps."""

    def __init__(self, engine: Engine, place: int, *, seed: int | None = None) -> None:
        own = place if seed is None else seed
        self.slot = engine.bank.new_slot(rank=(4, 2, 4, 3)[place % 4], seed=place)
        self.update = Update(engine, self.slot, {ANCHOR: 0.5 * place}, AdamSettings(clip=0.3))
        self.rate = 1e-3 * (place + 1)
        self.steps = 3 + place
        self.examples = [imitation(9 + 5 * place, 10 * own + n, first=3) for n in range(3 + place)]
        self.examples += [anchor(engine, 6, own)] if place else []

    def stride(self) -> Stride:
        return Stride(update=self.update, examples=self.examples, rate=self.rate)


def alone(pupils: Sequence[Pupil]) -> list[list[Step]]:
    return [[pupil.update.step(pupil.examples, pupil.rate) for _ in range(pupil.steps)] for pupil in pupils]


def together(pupils: Sequence[Pupil]) -> list[list[Step]]:
    found: list[list[Step]] = [[] for _ in pupils]
    for step in range(max(pupil.steps for pupil in pupils)):
        going = [place for place, pupil in enumerate(pupils) if step < pupil.steps]
        for place, done in zip(going, step_together([pupils[place].stride() for place in going]), strict=True):
            assert isinstance(done, Step)
            found[place].append(done)
    return found


def distance(one: Slot, other: Slot) -> float:
    """Of the optimizer's memory of gradients, as a share: steps of Adam themselves hide how large a gradient was."""
    assert one.first_moment is not None and other.first_moment is not None
    return float((one.first_moment - other.first_moment).norm() / other.first_moment.norm())


@ways_of("llama", "gemma2", "gemma3", "mistral", "qwen3")
def test_each_slot_ends_where_it_would_alone(family: str, way: Way) -> None:
    """Four slots of three ranks, each with its own data, rate, weights, clip and number of steps."""
    engine = engine_by(way, family)
    apart, joined = [[Pupil(engine, place) for place in range(4)] for _ in range(2)]
    expected, found = alone(apart), together(joined)
    tolerance = TOLERANCES["slices"].of(way.dtype)
    for own, beside, steps, others in zip(apart, joined, expected, found, strict=True):
        assert distance(beside.slot, own.slot) <= tolerance
        assert beside.slot.steps == own.slot.steps == own.steps
        for step, other in zip(steps, others, strict=True):
            assert other.losses == pytest.approx(step.losses, rel=tolerance, abs=1e-6)
            assert (other.credited, other.processed) == (step.credited, step.processed)


@every_way
def test_what_another_slot_learns_is_not_felt_by_a_bit(way: Way) -> None:
    engine = engine_by(way, "llama")
    seen: list[Slot] = []
    for seed in (1, 77):
        pupils = [Pupil(engine, 0), Pupil(engine, 1, seed=seed)]
        pupils[1].rate = seed * 1e-3
        together(pupils)
        seen.append(pupils[0].slot)
    assert torch.equal(seen[0].master, seen[1].master)
    assert seen[0].second_moment is not None and seen[1].second_moment is not None
    assert torch.equal(seen[0].second_moment, seen[1].second_moment)


def broken(engine: Engine, how: str) -> tuple[Pupil, str]:
    pupil = Pupil(engine, 1)
    first = pupil.examples[0]
    fields = {"signal": first.signal, "ids": first.ids, "wanted": first.wanted}
    count = len(first.wanted)
    if how == "teacher":
        teacher = torch.full((count, engine.vocabulary), math.nan)
        pupil.examples[0] = Example(**fields, credit=first.credit, teacher=teacher)
        return pupil, "diverged"
    if how == "weights":
        pupil.slot.weights.fill_(math.nan)
        return pupil, "diverged"
    if how == "nothing":
        pupil.examples = [Example(**fields, credit=(0.0,) * count, targets=first.targets)]
        return pupil, "no token has credit"
    if how == "credit":
        pupil.examples[0] = Example(**fields, credit=(math.inf,) * count, targets=first.targets)
        return pupil, "expected a finite number"
    unknown = (*first.targets[:-1], engine.vocabulary)
    pupil.examples[0] = Example(**fields, credit=first.credit, targets=unknown)
    return pupil, f"token {engine.vocabulary}: expected 0 to {engine.vocabulary - 1}"


@pytest.mark.parametrize("how", ["teacher", "weights", "nothing", "credit", "token"])
def test_a_slot_that_fails_fails_alone(how: str) -> None:
    engine = tiny_engine("llama")
    healthy = [Pupil(engine, 0), Pupil(engine, 2)]
    expected = alone(healthy)[0][0]
    own = [Pupil(engine, 0), Pupil(engine, 2)]
    bad, reason = broken(engine, how)
    before = bad.slot.master.clone()
    done = step_together([own[0].stride(), bad.stride(), own[1].stride()])
    assert isinstance(done[1], LearningError)
    assert reason in str(done[1])
    assert torch.equal(bad.slot.master, before)
    assert bad.slot.steps == 0
    assert isinstance(done[0], Step) and isinstance(done[2], Step)
    assert done[0].losses == pytest.approx(expected.losses, rel=1e-5)
    for pupil in own:
        assert pupil.slot.steps == 1
        assert pupil.slot.master.isfinite().all()


def test_two_strides_never_write_one_slot() -> None:
    engine = tiny_engine("llama")
    pupil = Pupil(engine, 0)
    with pytest.raises(ValueError, match="write the same slot"):
        step_together([pupil.stride(), pupil.stride()])
    with pytest.raises(ValueError, match="several engines"):
        step_together([pupil.stride(), Pupil(tiny_engine("llama"), 1).stride()])
    assert step_together([]) == []


def test_a_slot_that_went_to_disk_and_back_goes_on_beside_others(tmp_path: Path) -> None:
    engine = tiny_engine("llama")
    through, stopped = [[Pupil(engine, 0), Pupil(engine, 1)] for _ in range(2)]
    for _ in range(4):
        step_together([pupil.stride() for pupil in through])
    for _ in range(2):
        step_together([pupil.stride() for pupil in stopped])
    save_snapshot(stopped[0].slot, tmp_path / "half")
    stopped[0].slot = load_snapshot(engine.bank, tmp_path / "half")
    stopped[0].update = Update(engine, stopped[0].slot, {ANCHOR: 0.0}, AdamSettings(clip=0.3))
    for _ in range(2):
        step_together([pupil.stride() for pupil in stopped])
    for one, other in zip(through, stopped, strict=True):
        assert torch.equal(one.slot.master, other.slot.master)


@given(st.lists(st.lists(st.integers(1, 30), max_size=4), max_size=6), st.integers(1, 60))
@settings(max_examples=200)
def test_passes_keep_every_slice_in_its_slots_order(sizes: list[list[int]], size: int) -> None:
    queues = [[((slot, place), tokens) for place, tokens in enumerate(own)] for slot, own in enumerate(sizes)]
    found = passes(queues, size)
    flat = [piece for together in found for piece in together]
    assert sorted(flat) == sorted(piece for queue in queues for piece, _ in queue)
    for slot, own in enumerate(sizes):
        assert [place for owner, place in flat if owner == slot] == list(range(len(own)))
    for joined in found:
        assert len({slot for slot, _ in joined}) == len(joined), "one slice of a slot a pass"
        assert len(joined) == 1 or sum(sizes[slot][place] for slot, place in joined) <= size


def test_last_slices_of_several_slots_share_a_pass() -> None:
    queues = [[("a1", 380), ("a2", 100)], [("b1", 100)], [("c1", 384), ("c2", 150)], [("d1", 384)]]
    assert passes(queues, 384) == [["a1"], ["c1"], ["a2", "b1", "c2"], ["d1"]]
