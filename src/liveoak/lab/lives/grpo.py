"""A life by TRL's GRPOTrainer: reward alone, by somebody else, on the same prior, prompts and worlds.

It can do worlds whose episode is one action of one token; tokens that are no possible action are suppressed while it
samples, as ours are held to possible actions. Rank, rate, group, episodes, passes and steps a round are ours; the rest
is as its users find it.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

from liveoak.errors import UserError
from liveoak.lab.bench.peers.found import need
from liveoak.lab.lives.life import Figures, Life, scratch
from liveoak.learning.transcript import Layout, Transcript
from liveoak.priors.scratch import byte_tokenizer
from liveoak.worlds import Choices, World, seeds, world


def live_by_trl(life: Life) -> Figures:
    """Its scores by rounds, as `live` has them.

    Raises:
        Unavailable: trl, peft or datasets is not installed.
        UserError: a world or a life that it cannot do.
    """
    trl, peft, datasets = need("trl"), need("peft"), need("datasets")
    settings = life.stages[0].settings
    made = world(life.world, **life.options)
    if settings is None or len(life.stages) > 1 or life.shown or life.begun:
        raise UserError(f"{life!r}: the trainer does one stage of learning from reward, and nothing else")
    began = time.perf_counter()
    prior = scratch()
    layout = Layout(prior.tokenizer)
    # A group shares a seed, so fewer are needed than episodes.
    met = seeds("train", life.episodes // life.group)
    rows = {"prompt": [_prompt(layout, made, seed, life.window) for seed in met], "world_seed": list(met)}
    possible = _possible(layout, made, met[0])
    rounds: list[float] = []

    def reward(completions: list[str], world_seed: list[int], **_: object) -> list[float]:
        found: list[float] = []
        for said, seed in zip(completions, world_seed, strict=True):
            made.reset(seed)
            found.append(made.step(said).reward)
        rounds.append(sum(found) / len(found))
        return found

    with tempfile.TemporaryDirectory() as folder:
        trainer: Any = trl.GRPOTrainer(
            model=prior.model,
            processing_class=byte_tokenizer(),
            reward_funcs=reward,
            train_dataset=datasets.Dataset.from_dict(rows),
            peft_config=peft.LoraConfig(
                r=settings.rank, lora_alpha=2 * settings.rank, lora_dropout=0.0, target_modules="all-linear"
            ),
            args=trl.GRPOConfig(
                output_dir=folder,
                per_device_train_batch_size=life.together // settings.parts,
                steps_per_generation=settings.parts,
                num_iterations=settings.passes,
                num_generations=life.group,
                max_completion_length=1,
                max_steps=settings.passes * settings.parts * life.episodes // life.together,
                learning_rate=settings.rate,
                lr_scheduler_type="constant",
                shuffle_dataset=False,
                generation_kwargs={
                    "suppress_tokens": [one for one in range(prior.model.config.vocab_size) if one not in possible]
                },
                bf16=False,
                use_cpu=True,
                seed=life.seed,
                gradient_checkpointing=False,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=False,
            ),
        )
        trainer.train()
    figures = {f"score@{number * life.together}": score for number, score in enumerate(rounds, 1)}
    return figures | {"cell_seconds": time.perf_counter() - began}


def _prompt(layout: Layout, made: World, seed: int, window: int) -> str:
    """The text of what our agent reads before its action."""
    transcript = Transcript(layout, made.instructions, made.reset(seed), window=window)
    tokenizer = byte_tokenizer()
    text = str(tokenizer.decode(list(transcript.prompt)))
    again = tuple(tokenizer(text)["input_ids"])
    if again != transcript.prompt:
        raise UserError(f"the prompt {text!r} is read as other tokens by the trainer; choose another world")
    return text


def _possible(layout: Layout, made: World, seed: int) -> frozenset[int]:
    """The tokens of the possible actions."""
    made.reset(seed)
    actions = made.actions() if isinstance(made, Choices) else ()
    tokens = [layout.said(action)[: -len(layout.end) or None] for action in actions]
    if not tokens or any(len(one) != 1 for one in tokens):
        raise UserError(f"world {made.name!r} has actions {actions!r}: the trainer does those of one token")
    return frozenset(one[0] for one in tokens)
