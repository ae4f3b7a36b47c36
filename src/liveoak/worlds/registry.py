"""Worlds by name: the built-in ones, those of other libraries, and anybody's own.

A package offers worlds by entry points of the group `liveoak.worlds`, each naming a function that takes options and
returns a world. `package.module:function` names one without.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError, validate_call

from liveoak.errors import BadSettings, NotFound
from liveoak.worlds.built_in.study import Source, Study
from liveoak.worlds.protocol import World
from liveoak.worlds.ruled import RuledWorld, Rules

Factory = Callable[..., Any]
"""Returns a world, or the rules or the source of one: a function, or a dataclass."""
_GROUP = "liveoak.worlds"
_HERE = "liveoak.worlds"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldEntry:
    """A world that can be had by name."""

    name: str
    about: str
    """One line."""
    factory: str
    """`module:function`, imported when asked for."""
    extra: str | None = None
    """The extra of liveoak that must be installed for it."""
    needs: str | None = None
    """The option that must be given."""


def _own(name: str, factory: str, about: str, needs: str | None = None) -> WorldEntry:
    return WorldEntry(name=name, about=about, factory=f"{_HERE}.{factory}", needs=needs)


def _foreign(name: str, about: str, module: str, extra: str = "worlds") -> WorldEntry:
    return WorldEntry(name=name, about=about, factory=f"{_HERE}.foreign.{module}:{name.replace('-', '_')}", extra=extra)


_ENTRIES = (
    _own("switches", "built_in:Switches", "which switch works which lamp: hidden, drawn by seed"),
    _own("rooms", "built_in:Rooms", "a house whose doors lead where only going tells"),
    _own("journey", "built_in:Journey", "the first decision shows only in the last reward"),
    _own("ledger", "built_in:Ledger", "names and numbers over several pages, then an exam"),
    _own("handbook", "built_in:HandbookPages", "the handbook of an invented firm page by page, then an exam"),
    _own("texts", "built_in:Texts", "your own texts with questions, from a JSON file", needs="file"),
    _own("nim", "games:nim", "take stones; who takes the last wins"),
    _own("tictactoe", "games:tictactoe", "three in a row on three by three"),
    _own("connect3", "games:connect3", "three in a row, and stones fall"),
    _own("bandit", "built_in:Bandit", "levers that pay by chance, by colour"),
    _own("drift", "built_in:Drift", "switches that are wired anew every so many episodes"),
    _own("noisy", "built_in:Noisy", "switches beside a screen full of snow"),
    _foreign("frozenlake", "Gymnasium's frozen lake as text", "toy_text"),
    _foreign("taxi", "Gymnasium's taxi as text", "toy_text"),
    _foreign("minigrid", "MiniGrid and BabyAI, what is in view in words", "minigrid"),
    _foreign("textworld-express", "TextWorld-Express: cooking, coins, sorting (needs Java)", "textworld_express"),
    _foreign("reasoning-gym", "one generated question, marked by rule", "reasoning_gym"),
    _foreign("verifiers", "one task of a verifiers taskset, marked by its rewards", "verifiers_tasks", "verifiers"),
)


def worlds() -> tuple[WorldEntry, ...]:
    """Every world that can be had by name, the installed packages' own last."""
    offered = sorted(entry_points(group=_GROUP), key=lambda point: point.name)
    known = {entry.name for entry in _ENTRIES}
    return (
        *_ENTRIES,
        *(
            WorldEntry(
                name=point.name, about=f"from {point.dist.name if point.dist else point.value}", factory=point.value
            )
            for point in offered
            if point.name not in known
        ),
    )


def world(name: str, **options: Any) -> World:
    """A world by its name, or by `module:function`.

    Options are checked and converted by the factory's own types, so that texts of a command line will do.

    Raises:
        NotFound: no such world, module or function.
        BadSettings: an option that the world does not have, a value that it does not take, or a class without declared
            options.
        Unavailable: the library behind it is not installed.
    """
    entry = entry_of(name)
    return _made(name, _factory(entry.factory if entry else name), options)


def entry_of(name: str) -> WorldEntry | None:
    """The world's entry in the list; None for others' worlds, which are in none.

    Raises:
        NotFound: no such name.
    """
    entry = next((entry for entry in worlds() if entry.name == name), None)
    if entry is None and ":" not in name:
        near = difflib.get_close_matches(name, [entry.name for entry in worlds()], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`liveoak live --list` lists those that there are."
        raise NotFound(f"no world is called {name!r}: {hint} Others' worlds are named module:function")
    return entry


def source(name: str, **options: Any) -> Source:
    """What writes the pages and questions of a world in which something is read, then asked about.

    Raises:
        BadSettings: the world is no such one.
        and what `world` raises.
    """
    made = world(name, **options)
    if isinstance(made, RuledWorld):
        rules = cast("RuledWorld[Any]", made).rules
        if isinstance(rules, Study):
            return rules.source
    raise BadSettings(
        f"world {name!r} has no pages to read and questions about them: take `ledger`, `handbook`, `texts`, or a "
        "package.module:function of your own that returns a source of material"
    )


def as_world(made: World | Rules[Any] | Source) -> World:
    """A world as it is, rules as the world that follows them, a source of material as the world that studies it."""
    if hasattr(made, "material"):
        return RuledWorld(Study(source=cast(Source, made)))
    return RuledWorld(cast("Rules[Any]", made)) if hasattr(made, "begin") else cast(World, made)


def _factory(path: str) -> Factory:
    module, _, attribute = path.partition(":")
    try:
        found = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        raise NotFound(f"world {path!r} cannot be imported ({error}); expected module:function") from error
    if not callable(found):
        raise NotFound(f"world {path!r} names {found!r}; expected a function or class that returns a world")
    return cast(Factory, found)


def _made(name: str, factory: Factory, options: dict[str, Any]) -> World:
    if isinstance(factory, type) and not is_dataclass(factory):
        raise BadSettings(
            f"world {name!r} names the class {factory.__qualname__}, which is no dataclass, so the types of its "
            "options are not known: make it a dataclass, or name a function that takes them and returns the world"
        )
    try:
        inspect.signature(factory).bind(**options)
    except TypeError as error:
        has = ", ".join(map(_told, inspect.signature(factory).parameters.values())) or "none"
        raise BadSettings(f"world {name!r}: {error}; its options are: {has}") from error
    try:
        if isinstance(factory, type):
            return as_world(TypeAdapter[Any](factory).validate_python(options))
        checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(factory)
        return as_world(checked(**options))
    except ValidationError as error:
        faults = [(".".join(map(str, fault["loc"])), fault["msg"], fault["input"]) for fault in error.errors()]
        told = "; ".join(f"{place} {message}, got {value!r}".strip() for place, message, value in faults)
        raise BadSettings(f"world {name!r}: {told}") from error
    except ValueError as error:
        raise BadSettings(f"world {name!r}: {error}") from error


def _told(option: inspect.Parameter) -> str:
    return option.name if option.default is option.empty else f"{option.name} = {option.default!r}"
