"""Adam along the axes of the gradients, against what it is by its definition, matrix by matrix."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_priors import tiny_engine
from torch import Tensor

from liveoak.adapters import Layout, Slot, digest, load_snapshot, save_snapshot
from liveoak.adapters.slots import Target
from liveoak.learning.adam import AdamSettings, step_along

TURNED, PLAIN = AdamSettings(turned=True), AdamSettings()
RATE = 1e-2


def open_slot(seed: int = 0, rank: int = 3, first: int = 0) -> Slot:
    """Targets of three shapes, one of them square, so that matrices of one width are of several targets."""
    shapes = ((5, 7), (7, 7), (7, 4), (5, 7))
    targets = tuple(
        Target(name=f"layers.{place}.linear", inputs=wide, outputs=high) for place, (wide, high) in enumerate(shapes)
    )
    device = torch.device("cpu")
    slot = Slot(Layout(targets), rank=rank, alpha=rank, dtype=torch.float32, device=device, seed=seed, first=first)
    slot.train()
    return slot


def gradients(slot: Slot, count: int, seed: int = 0) -> list[Tensor]:
    """Along few directions, and of very different lengths, as those of lessons are."""
    generator = torch.Generator().manual_seed(seed)
    found: list[Tensor] = []
    for _ in range(count):
        flat = torch.randn(slot.master.shape, generator=generator)
        for a, b in slot.matrices(flat):
            mixed = torch.randn((slot.rank, slot.rank), generator=generator)
            mixed[0] *= 8
            a.copy_(mixed.T @ a)
            b.copy_(b @ mixed)
        found.append(flat)
    return found


def step(slot: Slot, gradient: Tensor, settings: AdamSettings) -> None:
    step_along(slot, gradient, float(gradient.norm()), settings, RATE)


def expected(start: Tensor, news: list[Tensor], settings: AdamSettings) -> Tensor:
    """One matrix (R, width) after steps along `news`, in float64."""
    first, second, gram = torch.zeros_like(start), torch.zeros_like(start), start.new_zeros((len(start), len(start)))
    axes = torch.eye(len(start), dtype=start.dtype)
    weights = start.clone()
    for taken, new in enumerate(news, 1):
        first = settings.beta1 * first + (1 - settings.beta1) * new
        gram = settings.beta2 * gram + (1 - settings.beta2) * new @ new.T
        turned = torch.linalg.eigh(gram).eigenvectors
        second = (turned.T @ axes) ** 2 @ second
        second = settings.beta2 * second + (1 - settings.beta2) * (turned.T @ new) ** 2
        axes = turned
        mean = axes.T @ first / (1 - settings.beta1**taken)
        spread = (second / (1 - settings.beta2**taken)).sqrt()
        weights = weights - RATE * axes @ (mean / (spread + settings.epsilon))
    return weights


@pytest.mark.parametrize("first", [0, 2])
def test_steps_are_those_of_the_definition(first: int):
    slot, settings = open_slot(first=first), AdamSettings(turned=True, clip=1e9)
    starts = [pair for a, b in slot.matrices(slot.master.double()) for pair in (a, b.T)]
    taken = gradients(slot, 5)
    for gradient in taken:
        step(slot, gradient, settings)
    each = [[m for a, b in slot.matrices(gradient.double()) for m in (a, b.T)] for gradient in taken]
    found = [pair for a, b in slot.matrices(slot.master.double()) for pair in (a, b.T)]
    for place, (start, weights) in enumerate(zip(starts, found, strict=True)):
        wanted = expected(start, [own[place] for own in each], settings)
        assert torch.allclose(weights, wanted, rtol=1e-4, atol=1e-5), place
    assert torch.equal(slot.weights, slot.master), "what passes read is what was learned"


def turn(slot: Slot, flat: Tensor, by: Tensor) -> Tensor:
    """The same function, or its gradient, with every pair's ranks in other axes: a -> by @ a, b -> b @ by.T."""
    turned = flat.clone()
    for a, b in slot.matrices(turned):
        a.copy_(by @ a)
        b.copy_(b @ by.T)
    return turned


@pytest.mark.parametrize("settings", [TURNED, PLAIN], ids=["turned", "plain"])
def test_the_axes_in_which_ranks_are_written_are_of_no_account(settings: AdamSettings):
    one, other = open_slot(), open_slot()
    by = torch.linalg.qr(torch.randn((3, 3), generator=torch.Generator().manual_seed(3)))[0]
    other.master.copy_(turn(other, other.master, by))
    for gradient in gradients(one, 6):
        step(one, gradient, settings)
        step(other, turn(other, gradient, by), settings)
    away = float((turn(one, one.master, by) - other.master).abs().max())
    assert (away < 1e-5) == settings.turned
    assert settings.turned or away > RATE / 2, "of plain steps this is not so"


def test_where_ranks_have_nothing_in_common_turned_steps_are_plain_ones():
    one, other = open_slot(), open_slot()
    for seed in range(4):
        gradient = torch.randn(one.master.shape, generator=torch.Generator().manual_seed(seed))
        for a, b in one.matrices(gradient):
            for matrix in (a, b.T):
                for rank in range(one.rank):
                    matrix[rank, torch.arange(matrix.shape[1]) % one.rank != rank] = 0
                matrix[:] *= torch.tensor([1.0, 2.0, 4.0]).unsqueeze(1)
        step(one, gradient, TURNED)
        step(other, gradient, PLAIN)
    assert torch.allclose(one.master, other.master, atol=1e-6)


def test_plain_steps_after_turned_ones_and_the_other_way_round():
    slot = open_slot()
    early, middle, late = gradients(slot, 3)
    step(slot, early, PLAIN)
    step(slot, middle, TURNED)
    assert slot.gram is not None and slot.second_moment is not None
    turned = [float(own.sum()) for a, b in slot.matrices(slot.second_moment) for own in (a, b)]
    step_along(slot, torch.zeros_like(late), 0.0, PLAIN, RATE)
    assert slot.gram is None
    plain = [float(own.sum()) for a, b in slot.matrices(slot.second_moment) for own in (a, b)]
    assert plain == pytest.approx([PLAIN.beta2 * own for own in turned], rel=1e-4), "turned and not lost"
    step(slot, late, TURNED)
    assert slot.steps == 4 and bool(torch.isfinite(slot.master).all())


def test_a_gradient_of_nothing_changes_nothing():
    slot = open_slot()
    before = slot.master.clone()
    step_along(slot, torch.zeros_like(slot.master), 0.0, TURNED, RATE)
    assert torch.equal(slot.master, before)


def test_what_is_known_of_the_axes_is_forked_kept_and_let_go(tmp_path: Path):
    engine = tiny_engine()
    slot = engine.bank.new_slot(rank=3)
    slot.train()
    taken = gradients(slot, 4)
    for gradient in taken[:2]:
        step(slot, gradient, TURNED)
    slot.freeze()
    save_snapshot(slot, tmp_path / "one")
    loaded, twin = load_snapshot(engine.bank, tmp_path / "one"), slot.fork()
    assert slot.gram is not None and twin.gram is not None
    assert twin.gram.data_ptr() != slot.gram.data_ptr()
    for other in (loaded, twin):
        assert digest(other) == digest(slot)
    for own in (slot, loaded, twin):
        own.train()
        for gradient in taken[2:]:
            step(own, gradient, TURNED)
    assert digest(loaded) == digest(twin) == digest(slot)
    assert load_snapshot(engine.bank, tmp_path / "one", optimizer=False).gram is None
    slot.forget_steps()
    assert slot.gram is None and slot.steps == 0
