"""peft over transformers: lessons one after the other, and a batch whose rows go through different adapters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from liveoak.errors import UserError
from liveoak.lab.bench import jobs
from liveoak.lab.bench.peers.found import load_model, need, now
from liveoak.lab.bench.peers.plain import generated

_IGNORED = -100
_NUMBERS = {"f32": True, "same": False}
"""Whether peft keeps adapters in float32 over a bfloat16 model (its default), or in the model's own format."""
_LAYOUTS = ("single", "padded 2", "padded 4", "padded 8", "padded all", "packed")

Batch = tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]
"""Tokens, further arguments of the model, labels; each (rows, width)."""


class Lora:
    """Plain LoRA on every linear layer but the head, AdamW, one lesson after the other.

    A way is how the lines of one optimizer step are laid out: one a pass, padded to the longest of a few of like
    length, or packed into one row with positions that start anew; all give the same gradient.
    """

    def __init__(self, setup: jobs.Setup, targets: str | list[str] = "all-linear") -> None:
        self._setup, self._targets = setup, targets
        self._model: Any = None
        self._made: tuple[int, int] | None = None
        """Adapters and rank that the model decodes with now."""

    def ways(self, _: jobs.Nothing) -> jobs.Ways:
        return jobs.Ways(ways=tuple(f"{layout}, {numbers}" for numbers in _NUMBERS for layout in _LAYOUTS))

    def train(self, job: jobs.TrainJob) -> jobs.Trained:
        layout, _, numbers = (job.way or "padded 4, f32").partition(", ")
        if layout not in _LAYOUTS or numbers not in _NUMBERS:
            raise UserError(f"way {job.way!r}: expected one of {self.ways(jobs.Nothing()).ways!r}")
        seconds, losses = 0.0, list[float]()
        for lesson in job.lessons:
            self._adapt(1, job.rank, wide=_NUMBERS[numbers])
            began = now(self._setup.device)
            self._study(lesson, job, layout)
            seconds += now(self._setup.device) - began
            if job.evaluate:
                losses.append(self._loss(lesson))
        return jobs.Trained(seconds=seconds, loss=sum(losses) / len(losses) if losses else None)

    def _study(self, lesson: Sequence[jobs.Line], job: jobs.TrainJob, layout: str) -> None:
        weights = [weight for weight in self._model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=job.rate, weight_decay=0.0, fused=True)
        groups = [lesson] if job.by == "lesson" else [[line] for line in lesson]
        ready = [list(_batches(lines, layout, job.pad_to, self._setup.device)) for lines in groups]
        steps = job.passes * len(groups)
        for step in range(steps):
            if job.decay:
                optimizer.param_groups[0]["lr"] = job.rate * (1 - step / steps)
            lines = groups[step % len(groups)]
            credited = sum(len(line) - 1 for line in lines)
            for batch in ready[step % len(groups)]:
                (self._cost(batch) / credited).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def _cost(self, batch: Batch) -> torch.Tensor:
        """Summed nats of the labelled tokens."""
        ids, extra, labels = batch
        logits = self._model(input_ids=ids, use_cache=False, **extra).logits
        return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=_IGNORED, reduction="sum")

    def _loss(self, lesson: Sequence[jobs.Line]) -> float:
        with torch.inference_mode():
            cost = sum(float(self._cost(batch)) for batch in _batches(lesson, "padded 4", 0, self._setup.device))
        return cost / sum(len(line) - 1 for line in lesson)

    def decode(self, job: jobs.DecodeJob) -> jobs.Decoded:
        count = max(1, job.adapters)
        if self._made != (count, job.rank):
            # Random weights: what they say does not matter, but adapters that change nothing might be skipped.
            self._adapt(count, job.rank, wide=False, random=True)
        names = [f"a{place % count}" for place in range(len(job.prompts))]
        # Evaluation mode: in training a mixed batch means nothing to peft.
        self._model.eval()
        mixed = {"adapter_names": names} if job.adapters else {}
        return generated(self._model, job, self._setup.device, **mixed)

    def _adapt(self, count: int, rank: int, *, wide: bool, random: bool = False) -> None:
        """Fresh adapters `a0`, `a1`, ... on the model, which is loaded once."""
        peft = need("peft")
        base = load_model(self._setup) if self._model is None else self._model.unload()
        config = peft.LoraConfig(
            r=rank,
            lora_alpha=2 * rank,
            lora_dropout=0.0,
            target_modules=self._targets,
            init_lora_weights=not random,
        )
        self._model = peft.get_peft_model(base, config, adapter_name="a0", autocast_adapter_dtype=wide)
        for place in range(1, count):
            self._model.add_adapter(f"a{place}", config, autocast_adapter_dtype=wide)
        self._made = (count, rank) if random else None


def _batches(lines: Sequence[jobs.Line], layout: str, width: int, device: str) -> Iterator[Batch]:
    if layout == "packed":
        ids = [token for line in lines for token in line[:-1]]
        places = [place for line in lines for place in range(len(line) - 1)]
        labels = [token for line in lines for token in line[1:]]
        position = torch.tensor([places], device=device)
        yield torch.tensor([ids], device=device), {"position_ids": position}, torch.tensor([labels], device=device)
        return
    size = {"single": 1, "padded all": len(lines)}.get(layout) or int(layout.removeprefix("padded "))
    ordered = sorted(lines, key=len)
    for start in range(0, len(ordered), size):
        yield _padded(ordered[start : start + size], width, device)


def _padded(lines: Sequence[jobs.Line], width: int, device: str) -> Batch:
    """Lines as one batch, padded on the right to the longest or to `width`; padding has no label."""
    wide = max(width, max(map(len, lines)) - 1)

    def rows(values: list[list[int]], fill: int) -> torch.Tensor:
        return torch.tensor([row + [fill] * (wide - len(row)) for row in values], device=device)

    ids = [list(line[:-1]) for line in lines]
    mask = rows([[1] * len(row) for row in ids], 0)
    return rows(ids, 0), {"attention_mask": mask}, rows([list(line[1:]) for line in lines], _IGNORED)
