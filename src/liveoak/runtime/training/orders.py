"""What a training is told before it begins: the world, the prices, the sizes and the seed."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from liveoak.errors import BadSettings
from liveoak.learning.outer.beginning import BeginningSettings
from liveoak.learning.outer.life import LifeSettings
from liveoak.learning.outer.pricing import Prices
from liveoak.learning.outer.recipe import TAUGHT
from liveoak.learning.outer.settings import OuterSettings
from liveoak.learning.outer.tools import GRADED, PLAIN
from liveoak.learning.recipe import Recipe
from liveoak.priors import ChatTokenizer
from liveoak.runtime.kept import OrderFile
from liveoak.runtime.training.calls import Calls
from liveoak.worlds import Source, seed_of

_READ = "Read page by page. Say what to do with each: learn low, learn medium, learn high, note or skip."
_READ_PLAINLY = "Read page by page. Say what to do with each: learn, note or skip."
_HELD_AT_FIRST = 1.0
"""Weight of staying the prior in a beginning, where it is held at all: imitation moves it further than rewards do."""
_OPENING = 30.0
"""About as many tokens as a call has: whether to call counts as much as how a call is written."""


class TrainOrder(BaseModel):
    """What is lived for, and how it is learned from. It does not change over a training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    world: str
    options: dict[str, str] = {}
    prior: str = "scratch"
    fingerprint: str = ""
    """Of the prior's weights, filled in when the training begins."""
    streams: int = Field(default=2, ge=1)
    called: bool = False
    """Acts are the calls of the served tools, in the layout of a served chat, and any other reply passes over."""
    anchor: float = Field(default=0.0, ge=0)
    """Weight of staying the prior on everyday prompts, with the agent's tools in sight and without."""
    decides: bool = True
    """Off: every entry is learned, and only exams teach."""
    lives: int = Field(default=4, ge=1)
    crowds: bool = True
    """Acts of learning pay for what they take from other lessons."""
    graded: bool = True
    """Texts can be learned with low, medium or high effort; else with medium effort alone."""
    steps: int | None = Field(default=None, ge=1)
    """Of a text's study; None: as its effort and length ask for."""
    parts: int = Field(default=8, ge=1)
    passes: int = Field(default=3, ge=1)
    price_trained: float = Field(default=0.0, ge=0)
    price_noted: float = Field(default=0.0, ge=0)
    price_damage: float = Field(default=0.0, ge=0)
    dense: float = Field(default=0.0, ge=0, le=1)
    exam: float = Field(default=0.0, ge=0, validate_default=True)
    rate: float = Field(default=4e-4, gt=0)
    rank: int = Field(default=16, ge=1)
    """Of the slow weights."""
    depth: float = Field(default=1.0, gt=0, le=1)
    """Share of the layers that they change, the upper ones."""
    activated: bool = False
    """They change what the agent says alone, and not how it reads."""
    begin: bool = True
    begin_steps: int = Field(default=60, ge=1)
    begin_skill: float = Field(default=0.0, ge=0, lt=1)
    """How often whoever is imitated knows what the exam asks about."""
    window: int | None = Field(default=None, ge=1)
    """None: as the material asks for."""
    note_room: int | None = Field(default=None, ge=0)
    """None: as the material asks for."""
    examined: int = Field(default=16, ge=1)
    seed: int = Field(default=0, ge=0)
    every: int = Field(default=1, ge=1)
    """Rounds between two checkpoints."""

    @field_validator("lives")
    @classmethod
    def _compared(cls, lives: int, info: ValidationInfo) -> int:
        if lives < 2 and info.data.get("decides", True):
            raise ValueError("expected 2 or more, which are compared with each other")
        return lives

    @field_validator("exam")
    @classmethod
    def _taught(cls, exam: float, info: ValidationInfo) -> float:
        if not exam and not info.data.get("decides", True):
            raise ValueError("expected more than 0 where nothing is decided: exams alone teach then")
        return exam

    @property
    def prices(self) -> Prices:
        return Prices(trained=self.price_trained, noted=self.price_noted, damage=self.price_damage, dense=self.dense)

    @property
    def outer(self) -> OuterSettings:
        return OuterSettings(
            streams=self.streams,
            lives=self.lives,
            decides=self.decides,
            parts=self.parts,
            passes=self.passes,
            rate=self.rate,
            exam=self.exam,
            anchor=self.anchor,
            crowds=self.crowds,
        )

    def slow(self, recipe: Recipe) -> Recipe:
        """The recipe of the slot that slow weights are trained in, and that studies fork."""
        return replace(recipe, rank=self.rank, depth=self.depth, activated=self.activated)

    @property
    def beginning(self) -> BeginningSettings:
        return BeginningSettings(
            steps=self.begin_steps,
            skill=self.begin_skill,
            rate=2e-3 if self.prior == "scratch" else 1e-3,
            opening=_OPENING if self.called else 1.0,
            exams=self.prior == "scratch",
            anchor=_HELD_AT_FIRST if self.anchor else 0.0,
        )

    def living(self, taught: bool, tokenizer: ChatTokenizer) -> LifeSettings:
        """Entries that are `taught` in one turn are learned or not; texts with more effort or less.

        Raises:
            BadSettings: texts are not learned by a call.
        """
        if taught:
            plain = LifeSettings(window=self.window or 448, note_room=48 if self.note_room is None else self.note_room)
            return replace(plain, form=Calls(tokenizer.tool_format), instructions="") if self.called else plain
        if self.called:
            raise BadSettings(f"called: {self.world!r} has texts to read; expected entries taught in one turn")
        return LifeSettings(
            acts=GRADED if self.graded else PLAIN,
            instructions=_READ if self.graded else _READ_PLAINLY,
            window=self.window or 1024,
            note_room=256 if self.note_room is None else self.note_room,
            steps=self.steps,
        )


def is_taught(source: Source) -> bool:
    """Whether every entry that is read can be taught in one turn."""
    made = source.material(seed_of("train", 0))
    return all(entry.taught is not None for page in made.parts for entry in page)


def recipe_of(taught: bool) -> Recipe:
    return TAUGHT if taught else Recipe()


TRAIN_ORDERS = OrderFile(name="train.json", what="training", kind=TrainOrder)
