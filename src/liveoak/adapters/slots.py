"""A slot: one adapter's weights, and the state of the optimizer that writes them.

All weights of a slot lie in one flat buffer, so that a step of the optimizer is a handful of operations and a
snapshot is a handful of tensors, however many layers the prior has.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, groupby

import torch
from torch import Tensor

_stamps = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A linear layer of the prior that adapters change."""

    name: str
    """Path of the module in the model."""
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The linear layers of one prior, in the order of its forward pass."""

    targets: tuple[Target, ...]

    def size(self, rank: int, first: int = 0) -> int:
        """Numbers in an adapter of this rank that changes the targets from `first` on."""
        return sum(rank * (target.inputs + target.outputs) for target in self.targets[first:])

    def upper(self, share: float) -> int:
        """Where the upper layers begin, at most this share of all and one at least: the first of their targets."""
        if not 0 < share <= 1:
            raise ValueError(f"share {share!r} of the layers: expected over 0, and 1 at most")
        layers = [layer_of(target.name) for target in self.targets]
        numbers = sorted(set(layers))
        return 0 if share == 1 else layers.index(numbers[len(numbers) - max(1, int(share * len(numbers)))])

    def layer(self, target: int) -> int:
        """Which layer a target belongs to; 0 for what stands outside of all."""
        return layer_of(self.targets[target].name)


def layer_of(name: str) -> int:
    """Which layer a module belongs to, by the first number in its path."""
    found = re.search(r"(?:^|\.)(\d+)\.", name)
    return int(found.group(1)) if found else 0


class Slot:
    """One adapter: for each target, `y += scale * (x @ a.T) @ b.T`, with a (R, inputs) and b (outputs, R).

    `master` (float32) is the truth; `weights` is its copy in the dtype of the prior, which passes read.
    A fresh slot has b = 0 and is exactly the prior. It changes the targets from `first` on: what lies below them is the
    prior's, forward and backward.

    With an `invocation` it is activated: it changes the prior from the last place on where these tokens stand, those
    that open a reply, so that the prior itself reads and the agent speaks. A text without them is spoken as a whole.

    Source: LoRA (Hu et al. 2021), initialised as PEFT does: Kaiming-uniform a, zero b, scale = alpha / rank. Activated
    LoRA (Greenewald et al. 2025), which leaves a text without an invocation as it is.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        rank: int,
        alpha: float,
        dtype: torch.dtype,
        device: torch.device,
        seed: int = 0,
        invocation: Sequence[int] = (),
        first: int = 0,
    ) -> None:
        if rank < 1:
            raise ValueError(f"rank {rank!r}: an adapter needs a rank of at least 1")
        if not 0 <= first < len(layout.targets):
            raise ValueError(f"first target {first!r}: the prior has {len(layout.targets)}, counted from 0")
        self.layout, self.rank, self.alpha = layout, rank, float(alpha)
        self.scale = self.alpha / rank
        self.invocation, self.first = tuple(invocation), first
        size = layout.size(rank, first)
        self.master = torch.zeros(size, dtype=torch.float32, device=device)
        self.weights = torch.zeros(size, dtype=dtype, device=device)
        self.gradient: Tensor | None = None
        """What backward passes have added up since the last step, in float32 or wider; None while closed for them."""
        self.gradient_pairs: list[tuple[Tensor, Tensor] | None] = []
        self.first_moment: Tensor | None = None
        self.second_moment: Tensor | None = None
        self.gram: Tensor | None = None
        """(M, R, R), of `matrices` in order: of each one's gradients across its ranks. None: second moments are kept
        along no axes but the numbers' own."""
        self.steps = 0
        """Optimizer steps so far."""
        self._initialise(seed)
        self.pairs = self._at_targets(self.weights)
        """By target; None where it leaves the prior as it is."""
        self.publish()

    def _initialise(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for a, _ in self.matrices(self.master):
            bound = 1 / math.sqrt(a.shape[1])
            a.copy_(torch.empty(a.shape).uniform_(-bound, bound, generator=generator))

    def matrices(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Views (a, b) of what is laid out as `master`, of each target that it changes."""
        views: list[tuple[Tensor, Tensor]] = []
        offset = 0
        for target in self.layout.targets[self.first :]:
            middle = offset + self.rank * target.inputs
            end = middle + self.rank * target.outputs
            views.append((flat[offset:middle].view(self.rank, -1), flat[middle:end].view(-1, self.rank)))
            offset = end
        return views

    def _at_targets(self, flat: Tensor) -> list[tuple[Tensor, Tensor] | None]:
        return [None] * self.first + self.matrices(flat)

    def named_master(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Views (a, b) of the float32 weights by the names of the targets that it changes."""
        own = self.layout.targets[self.first :]
        return {target.name: pair for target, pair in zip(own, self.matrices(self.master), strict=True)}

    @property
    def activated(self) -> bool:
        """It changes what is said alone."""
        return bool(self.invocation)

    def replies(self, ids: Sequence[int], wanted: Sequence[int]) -> list[tuple[int, range]]:
        """The first token that the slot changes where the logits at the places `wanted`, ascending, are; and which of
        them it is the same for."""
        size = len(self.invocation)
        ends = range(size, len(ids) + 1) if size else ()
        opened = [end for end in ends if tuple(ids[end - size : end]) == self.invocation]
        found: list[tuple[int, range]] = []
        for number, same in groupby(range(len(wanted)), key=lambda i: bisect_right(opened, wanted[i] + 1)):
            own = list(same)
            found.append((opened[number - 1] - size if number else 0, range(own[0], own[-1] + 1)))
        return found

    def since(self, ids: Sequence[int], place: int) -> int:
        """The first token that it changes where the logits at `place` are wanted."""
        return self.replies(ids, (place,))[0][0]

    def publish(self) -> None:
        """Make the master weights those of the next forward pass. Caches made before no longer fit (`stamp`)."""
        with torch.no_grad():
            self.weights.copy_(self.master)
        self.stamp = next(_stamps)

    def train(self) -> None:
        """Open the slot for gradients."""
        if self.gradient is not None:
            return
        self.gradient = torch.zeros_like(self.weights, dtype=torch.promote_types(self.weights.dtype, torch.float32))
        self.gradient_pairs = self._at_targets(self.gradient)
        if self.first_moment is None:
            self.first_moment, self.second_moment = torch.zeros_like(self.master), torch.zeros_like(self.master)

    def freeze(self) -> None:
        """Close the slot for gradients and free their buffer; the optimizer state stays."""
        self.gradient = None
        self.gradient_pairs = []

    def forget_steps(self) -> None:
        """Let go of the optimizer's state: the weights are the beginning of something else."""
        self.first_moment = self.second_moment = self.gram = None
        self.steps = 0

    def slim(self) -> None:
        """Keep what passes read alone, a third of the memory in bfloat16. It can be neither trained nor saved then."""
        self.master = self.master.new_empty(0)
        self.first_moment = self.second_moment = self.gram = None

    def roomier(self, *, rank: int, first: int) -> Slot:
        """The same change in a slot of at least this rank, over the targets from `first` on at least, so that more can
        be learned into it; itself where it has that room. The optimizer's state is not taken along."""
        rank, first = max(rank, self.rank), min(first, self.first)
        if (rank, first) == (self.rank, self.first):
            return self
        wider = Slot(
            self.layout,
            rank=rank,
            alpha=self.scale * rank,
            dtype=self.weights.dtype,
            device=self.weights.device,
            invocation=self.invocation,
            first=first,
        )
        held = wider.named_master()
        for name, (a, b) in self.named_master().items():
            held[name][0][: self.rank] = a
            held[name][1][:, : self.rank] = b
        wider.publish()
        return wider

    def fork(self) -> Slot:
        """A copy that can be trained without changing this one."""
        twin = Slot(
            self.layout,
            rank=self.rank,
            alpha=self.alpha,
            dtype=self.weights.dtype,
            device=self.weights.device,
            invocation=self.invocation,
            first=self.first,
        )
        twin.master.copy_(self.master)
        twin.steps = self.steps
        if self.first_moment is not None and self.second_moment is not None:
            twin.first_moment, twin.second_moment = self.first_moment.clone(), self.second_moment.clone()
            twin.gram = None if self.gram is None else self.gram.clone()
        twin.publish()
        return twin


def stack(slots: Sequence[Slot], target: int) -> tuple[Tensor, Tensor]:
    """The weights of slots of one rank for one target that all change: (S, R, inputs) and (S, outputs, R)."""
    pairs = [pair for slot in slots if (pair := slot.pairs[target]) is not None]
    return torch.stack([a for a, _ in pairs]), torch.stack([b for _, b in pairs])
