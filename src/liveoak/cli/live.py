"""`liveoak live`: an agent in a world, learning as it goes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from liveoak.cli.curve import Curve
from liveoak.cli.options import Options, takes_options
from liveoak.cli.screen import loading, notice, print_json, print_table
from liveoak.errors import BadSettings, Unavailable, UserError

if TYPE_CHECKING:
    from liveoak.runtime.orders import LifeOrder
    from liveoak.worlds import WorldEntry

SIGNALS = ("reward", "transition", "imitation", "advice", "winners", "distillation")


def register(app: typer.Typer) -> None:
    app.command()(takes_options(live))


def live(
    options: Options,
    world: Annotated[
        str | None, typer.Argument(help="A world's name (--list), or package.module:function.", metavar="WORLD")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="An option of the world; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes in all, those before a --resume included.")] = 1024,
    signals: Annotated[
        str,
        typer.Option(
            help="What is learned from: reward, transition, imitation, advice, winners, distillation; "
            "`none` for a frozen agent."
        ),
    ] = "reward,transition,advice,winners",
    transition: Annotated[
        Literal["answers", "selected", "naive"],
        typer.Option(help="Which observed tokens: answers to actions, of those what is left to learn, or all."),
    ] = "selected",
    balance: Annotated[
        bool, typer.Option("--balance/--no-balance", help="Weigh transition by what it gains of doing; else 0.3.")
    ] = True,
    renewed: Annotated[
        int | None,
        typer.Option(min=2, help="Rounds after which distillation's teacher is renewed (never).", show_default=False),
    ] = None,
    baseline: Annotated[
        Literal["leave_one_out", "group", "value", "none"],
        typer.Option(help="What rewards are compared with: others', the group's mean, a learned value, or nothing."),
    ] = "leave_one_out",
    rate: Annotated[float | None, typer.Option(help="Learning rate (0.001).", show_default=False)] = None,
    parts: Annotated[int, typer.Option(min=1, help="Steps that a round's episodes are dealt out to.")] = 2,
    passes: Annotated[int, typer.Option(min=1, help="How often a round is learned from.")] = 1,
    replay: Annotated[float, typer.Option(min=0, help="Past episodes repeated for each fresh one.")] = 0.0,
    anchor: Annotated[float, typer.Option(min=0, help="Weight of staying near the prior.")] = 0.0,
    shown: Annotated[int, typer.Option(min=0, help="Demonstrations by the world's expert in each round.")] = 0,
    skill: Annotated[float, typer.Option(min=0, max=1, help="How often who demonstrates acts as the expert.")] = 1.0,
    together: Annotated[int, typer.Option(min=1, help="Episodes lived at once, then learned from: a round.")] = 32,
    group: Annotated[int, typer.Option(min=1, help="Episodes of a round that share a seed.")] = 4,
    window: Annotated[int, typer.Option(min=1, help="Most tokens of a prompt.")] = 512,
    freely: Annotated[
        bool, typer.Option("--freely", help="Hold no reply to the actions that the world lists.")
    ] = False,
    metered: Annotated[
        int,
        typer.Option(min=0, help="Rounds between two readings of the bit meter, for worlds with an expert; 0: none."),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the adapter, of actions and of the order of everything.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the life (lives/WORLD-SEED).", show_default=False)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the life in --out, as it was ordered.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write event files into --out too.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the worlds.")] = False,
) -> None:
    """Let an agent live in a world and learn there.

    It learns from all that it lives through, in one stream. The folder of the life holds its metrics (metrics.jsonl),
    its record and its checkpoints; it can be killed at any time and goes on with --resume. Shared options apply; the
    prior is `scratch` unless named.
    """
    if list_:
        _list(options)
        return
    if world is None and not (resume and out is not None):
        raise UserError("which world? Name one of `liveoak live --list`, or package.module:function")
    from liveoak.runtime.orders import read_order

    folder = out or Path("lives") / f"{(world or '').replace(':', '.')}-{seed}"
    if resume:
        order = read_order(folder)
        if world is not None and world != order.world:
            raise UserError(f"the life in {str(folder)!r} is in {order.world!r}, not {world!r}: take another --out")
    else:
        given: dict[str, Any] = {"rate": rate} if rate is not None else {}
        order = _order(
            world=world,
            options=world_options(option or []),
            prior=options.prior or os.environ.get("LIVEOAK_PRIOR") or "scratch",
            signals=_signals(signals),
            transition=transition,
            balance=balance,
            renewed=renewed,
            baseline=baseline,
            parts=parts,
            passes=passes,
            replay=replay,
            anchor=anchor,
            shown=shown,
            skill=skill,
            together=together,
            group=group,
            window=window,
            acting="freely" if freely else "choices",
            metered=metered,
            seed=seed,
            **given,
        )
        if (folder / "life.json").exists():
            raise UserError(f"{str(folder)!r} holds a life already: go on with --resume, or take another --out")
    _live(options, folder, order, episodes, tensorboard=tensorboard)


def _live(options: Options, folder: Path, order: LifeOrder, episodes: int, *, tensorboard: bool) -> None:
    from liveoak.runtime.diary import read_metrics
    from liveoak.runtime.lives import open_life

    with ExitStack() as stack:
        events = events_in(folder, stack) if tensorboard else None
        with loading(order.prior) as on_fetch:
            life = stack.enter_context(open_life(folder, order, options.settings(), on_fetch))
        curve = stack.enter_context(Curve(f"{order.world} on {order.prior}", episodes))
        for line in read_metrics(life.diary.path):
            curve.add(line)
        for _, told in life.rounds(episodes):
            curve.add(told)
            if events is not None:
                _write(events, told)
    _tell(options, folder, curve)


def _write(events: Any, told: Mapping[str, Any]) -> None:
    """A round's figures, counted in episodes."""
    figures = {"score": told["score"], "failed": told["failed"]}
    figures |= {f"loss/{signal}": value for signal, value in told.get("losses", {}).items()}
    figures |= {f"weight/{world}": value for world, value in told.get("weights", {}).items()}
    figures |= {f"standing/{source}": value for source, value in told.get("standing", {}).items()}
    figures |= {f"bits/{kind}": value for kind, value in told.get("bits", {}).items()}
    figures |= {"explained": told.get("explained"), "outcome_bits": told.get("outcome_bits")}
    for name, value in figures.items():
        if value is not None:
            events.add_scalar(name, value, told["episodes"])


def _tell(options: Options, folder: Path, curve: Curve) -> None:
    """What came of it: the curve's points, from the file that holds them."""
    from liveoak.runtime.diary import read_metrics

    rounds = [line for line in read_metrics(folder / "metrics.jsonl") if line["kind"] == "round"]
    if options.json:
        print_json({"folder": str(folder), "rounds": rounds})
        return
    print_table(("episodes", "score", "failed", "losses"), curve.rows())
    if read := [line for line in rounds if "bits" in line]:
        last = read[-1]
        learned = ", ".join(f"{kind} {bits / last['episodes']:.3f}" for kind, bits in last["bits"].items())
        held = [line["outcome_bits"] for line in read if line["outcome_bits"] is not None]
        bound = f"; an outcome held {sum(held) / len(held):.3f}" if held else ""
        notice(f"bits learned an episode: {learned}{bound}")
    notice(f"written: {folder / 'metrics.jsonl'}")


def _list(options: Options) -> None:
    from liveoak.worlds import worlds

    found = worlds()
    if options.json:
        print_json([{"name": one.name, "about": one.about, "extra": one.extra, "needs": one.needs} for one in found])
    else:
        rows = [(one.name, one.about, _needs(one)) for one in found]
        print_table(("world", "about", "needs"), rows)


def _needs(entry: WorldEntry) -> str:
    """What must be installed or given for a world."""
    if entry.needs is not None:
        return f"--option {entry.needs}="
    return f"liveoak[{entry.extra}]" if entry.extra else ""


def _order(**given: Any) -> LifeOrder:
    from pydantic import ValidationError

    from liveoak.runtime.orders import LifeOrder
    from liveoak.worlds import entry_of

    entry_of(given["world"])
    try:
        order = LifeOrder(**given)
        order.learning()
        order.living()
    except ValidationError as error:
        faults = [f"{fault['loc'][0]} = {fault['input']!r}: {fault['msg']}" for fault in error.errors()]
        raise BadSettings("; ".join(faults)) from None
    return order


def _signals(said: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in said.split(",") if name.strip())
    if names == ("none",):
        return ()
    if unknown := [name for name in names if name not in SIGNALS]:
        raise BadSettings(f"--signals {said!r}: no signal {unknown[0]!r}; expected {', '.join(SIGNALS)}, or none")
    return names


def world_options(said: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE as it was said.

    Raises:
        BadSettings: it is none.
    """
    pairs = [one.partition("=") for one in said]
    if wrong := [key for key, equals, _ in pairs if not (key and equals)]:
        raise BadSettings(f"-o {wrong[0]!r}: expected KEY=VALUE")
    return {key: value for key, _, value in pairs}


def events_in(folder: Path, stack: ExitStack) -> Any:
    """A writer of TensorBoard's event files."""
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError as error:
        raise Unavailable(
            f"--tensorboard: the library is not installed ({error}): pip install 'liveoak[tensorboard]'"
        ) from None
    writer: Any = SummaryWriter(str(folder / "tensorboard"))
    stack.callback(writer.close)
    return writer
