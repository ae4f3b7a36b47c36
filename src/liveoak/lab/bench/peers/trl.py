"""TRL's SFTTrainer on one lesson, with peft's adapters."""

from __future__ import annotations

import math
import tempfile
from typing import Any

from liveoak.errors import UserError
from liveoak.lab.bench import jobs
from liveoak.lab.bench.peers.found import load_model, need, now

_TOGETHER = {"single": 1, "padded 2": 2, "padded 4": 4, "padded all": 0}


class Trl:
    """The trainer without checkpoints and logging. A way is how many lines are padded to the longest of them at once; a
    step is the whole lesson in each."""

    def __init__(self, setup: jobs.Setup) -> None:
        self._setup = setup
        need("trl")
        self._model: Any = load_model(setup)
        self._tokenizer = self._small_tokenizer()

    def ways(self, _: jobs.Nothing) -> jobs.Ways:
        return jobs.Ways(ways=tuple(_TOGETHER))

    def train(self, job: jobs.TrainJob) -> jobs.Trained:
        trl, datasets, peft = need("trl"), need("datasets"), need("peft")
        if len(job.lessons) != 1 or job.by != "lesson":
            raise UserError("the trainer is given one lesson, and steps over all of it")
        if job.way not in _TOGETHER:
            raise UserError(f"way {job.way!r}: expected one of {tuple(_TOGETHER)!r}")
        count = len(job.lessons[0])
        together = min(_TOGETHER[job.way] or count, count)
        rows = {"input_ids": [list(line) for line in job.lessons[0]]}
        with tempfile.TemporaryDirectory() as folder:
            trainer = trl.SFTTrainer(
                model=self._model,
                processing_class=self._tokenizer,
                train_dataset=datasets.Dataset.from_dict(rows),
                peft_config=peft.LoraConfig(
                    r=job.rank, lora_alpha=2 * job.rank, lora_dropout=0.0, target_modules="all-linear"
                ),
                args=trl.SFTConfig(
                    output_dir=folder,
                    per_device_train_batch_size=together,
                    gradient_accumulation_steps=math.ceil(count / together),
                    num_train_epochs=job.passes,
                    learning_rate=job.rate,
                    lr_scheduler_type="constant",
                    weight_decay=0.0,
                    max_grad_norm=1.0,
                    max_length=None,
                    gradient_checkpointing=False,
                    bf16=False,
                    use_cpu=self._setup.device == "cpu",
                    save_strategy="no",
                    logging_strategy="no",
                    report_to="none",
                    disable_tqdm=True,
                    dataloader_pin_memory=False,
                ),
            )
            began = now(self._setup.device)
            trainer.train()
            seconds = now(self._setup.device) - began
            self._model = trainer.model.unload()
        return jobs.Trained(seconds=seconds)

    def _small_tokenizer(self) -> Any:
        """The trainer asks for a tokenizer even where rows are tokens already; it only pads with it."""
        from liveoak.priors.scratch import byte_tokenizer

        return byte_tokenizer()
