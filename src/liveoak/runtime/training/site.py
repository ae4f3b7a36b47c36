"""Where a training's lives are lived: the engine, the lives and the material that orders ask for, made alike wherever
they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from liveoak.config import Settings
from liveoak.engine import Decoder, Engine, Scheduler
from liveoak.errors import Conflict
from liveoak.gate import Gate
from liveoak.learning.anchoring import Anchors
from liveoak.learning.general import anchors, replies
from liveoak.learning.objective import Example
from liveoak.learning.outer.life import Lives
from liveoak.learning.outer.work import Here
from liveoak.learning.recipe import Recipe
from liveoak.runtime.device import compile_steps, load_engine
from liveoak.runtime.tools import OWN
from liveoak.runtime.training.calls import chats
from liveoak.runtime.training.orders import TrainOrder, is_taught, recipe_of
from liveoak.worlds import Material
from liveoak.worlds.registry import source

_MATERIALS = 256
"""Streams held in memory, since a policy looks at each entry of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What lives need, on one engine."""

    engine: Engine
    recipe: Recipe
    lives: Lives
    material: Callable[[int], Material]
    anchors: Anchors
    """Where the slow weights are held to the prior."""
    here: Here


def site_of(order: TrainOrder, engine: Engine, settings: Settings, held: Sequence[Example] = ()) -> Site:
    """The site of orders on an engine. `held` are the anchors of studies; of `settings` the gate's part is used.

    Raises:
        Conflict: the orders are of a training over other weights.
        BadSettings, NotFound: the orders cannot be carried out.
    """
    if order.fingerprint not in ("", engine.prior.fingerprint):
        raise Conflict(
            f"prior {order.prior!r} has fingerprint {engine.prior.fingerprint[:12]} here, and the training is over "
            f"{order.fingerprint[:12]}: every worker needs the same prior"
        )
    made = source(order.world, **order.options)
    taught = is_taught(made)
    recipe = order.slow(recipe_of(taught))
    decoder = Decoder(engine, kind="study")
    lives = Lives(
        engine,
        decoder,
        order.living(taught, engine.tokenizer),
        recipe,
        anchors=held,
        damage=Gate(engine, decoder, settings.gate, settings.cache).retention if order.prices.damage else None,
        seed=order.seed,
    )
    material = lru_cache(maxsize=_MATERIALS)(made.material)
    everyday = [anchors(engine, decoder, settings.cache)] if order.anchor else []
    if order.anchor and order.called:
        everyday.append(replies(engine, decoder, settings.cache, chats(), tuple(OWN.values())))
    staying = Anchors(engine, *everyday)
    here = Here(lives, material, order.prices, order.outer, staying)
    return Site(engine=engine, recipe=recipe, lives=lives, material=material, anchors=staying, here=here)


def engine_for(
    order: TrainOrder,
    settings: Settings,
    scheduler: Scheduler,
    on_fetch: Callable[[str, int, int], None] | None = None,
) -> Engine:
    """The engine of orders.

    Raises:
        what `load_engine` and `compile_steps` raise.
    """
    # A million parameters are as fast in float32, and what was sampled is then exactly what is learned from.
    dtype = "float32" if order.prior == "scratch" else settings.dtype

    def load() -> Engine:
        engine = load_engine(settings, scheduler, on_fetch, prior=order.prior, dtype=dtype)
        compile_steps(engine, settings.compile, settings.cache)
        return engine

    return scheduler.run(load)


def anchors_for(order: TrainOrder, engine: Engine, settings: Settings) -> Sequence[Example]:
    """What studies are anchored to, where they are."""
    if order.prior == "scratch" or not recipe_of(is_taught(source(order.world, **order.options))).anchors:
        return ()
    return anchors(engine, Decoder(engine, kind="study"), settings.cache)
