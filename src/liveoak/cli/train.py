"""`liveoak train`: the outer loop, in which an agent learns what to teach itself."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liveoak.cli.curve import Curve
from liveoak.cli.live import events_in, world_options
from liveoak.cli.options import Options, takes_options
from liveoak.cli.proofs import adopted_as_json, print_adopted
from liveoak.cli.screen import loading, notice, print_json, print_table
from liveoak.config import Settings
from liveoak.errors import BadSettings, LearningError, UserError

if TYPE_CHECKING:
    from liveoak.crew import Crew
    from liveoak.runtime.training.adopting import Adopted
    from liveoak.runtime.training.examined import ArmFigures
    from liveoak.runtime.training.orders import TrainOrder


def register(app: typer.Typer) -> None:
    app.command()(takes_options(train))


def train(
    options: Options,
    world: Annotated[
        str | None,
        typer.Argument(
            help="A world of pages and questions: ledger, handbook, texts, or package.module:function.",
            metavar="WORLD",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="An option of the world; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in all, those before a --resume included.")] = 32,
    streams: Annotated[int, typer.Option(help="Streams of material a round.")] = 2,
    lives: Annotated[int, typer.Option(help="Lives of each stream, which are compared with each other.")] = 4,
    price_trained: Annotated[float, typer.Option(help="Exam points that a hundred tokens learned cost.")] = 0.0,
    price_noted: Annotated[float, typer.Option(help="Exam points that a hundred tokens noted cost.")] = 0.0,
    price_damage: Annotated[
        float, typer.Option(help="Exam points that a nat per token of damage to general text costs.")
    ] = 0.0,
    dense: Annotated[
        float, typer.Option(help="Share of the points given for the probability of the true answer.")
    ] = 0.0,
    exam: Annotated[
        float, typer.Option(help="Weight of making true answers likelier where a study ends, beside the acts.")
    ] = 0.0,
    decides: Annotated[
        bool,
        typer.Option("--decides/--no-decides", help="Choose what is learned, or learn all and be taught by --exam."),
    ] = True,
    crowds: Annotated[
        bool, typer.Option("--crowds/--no-crowds", help="Learning pays for what it takes from other lessons.")
    ] = True,
    graded: Annotated[
        bool, typer.Option("--graded/--no-graded", help="Texts: choose an effort too, or always a medium one.")
    ] = True,
    steps: Annotated[
        int | None,
        typer.Option(help="Texts: steps of a study (as effort and length ask).", show_default=False),
    ] = None,
    called: Annotated[
        bool,
        typer.Option("--called", help="Acts are calls of the served tools; any other reply passes over."),
    ] = False,
    anchor: Annotated[
        float, typer.Option(help="Weight of staying the prior on everyday prompts, with the tools and without.")
    ] = 0.0,
    rate: Annotated[float, typer.Option(help="Learning rate of the slow weights.")] = 4e-4,
    rank: Annotated[int, typer.Option(help="Rank of the slow weights.")] = 16,
    depth: Annotated[float, typer.Option(help="Share of the layers that they change, the upper ones.")] = 1.0,
    activated: Annotated[
        bool, typer.Option("--activated", help="They change what the agent says alone, and not how it reads.")
    ] = False,
    begin: Annotated[
        bool | None,
        typer.Option(
            "--begin/--no-begin", help="Imitate somebody mediocre first (`scratch`, --called).", show_default=False
        ),
    ] = None,
    begin_steps: Annotated[int, typer.Option(help="Steps of that.")] = 60,
    begin_skill: Annotated[
        float, typer.Option(help="How often whoever is imitated knows what the exam asks about.")
    ] = 0.0,
    window: Annotated[
        int | None, typer.Option(help="Most tokens of a prompt (448; 1024 for texts).", show_default=False)
    ] = None,
    note_room: Annotated[
        int | None, typer.Option(help="Most tokens of notes (48; 256 for texts).", show_default=False)
    ] = None,
    examined: Annotated[int, typer.Option(help="Held-out streams examined before and after.")] = 16,
    seed: Annotated[int, typer.Option(help="Of the adapter, of acts and of the order of everything.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the training (trainings/WORLD-SEED).", show_default=False)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training in --out, as it was ordered.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Serve what came of it: a version of --agent in --home, if the gate agrees.")
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(help="Write a PEFT directory with what made it, for `versions import`.", show_default=False),
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write event files into --out too.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Have lives lived by so many processes of one thread.", show_default=False),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Have lives lived on a cluster: auto (Ray), ray://HOST or HOST.", show_default=False),
    ] = None,
) -> None:
    """Let an agent learn what to teach itself.

    It lives lives in which it reads more than fits its window, and then sits an exam. The folder of the training holds
    its metrics (metrics.jsonl), its exams and its checkpoints; it can be killed at any time and goes on with --resume.
    Shared options apply; the prior is `scratch` unless named. With --keep, exit code 7 says that the gate refused the
    weights.
    """
    if world is None and not (resume and out is not None):
        raise UserError("which world? `liveoak train ledger`, `liveoak train handbook`, or package.module:function")
    from liveoak.runtime.training.orders import TRAIN_ORDERS

    folder = out or Path("trainings") / f"{(world or '').replace(':', '.')}-{seed}"
    if resume:
        order = TRAIN_ORDERS.read(folder)
        if world is not None and world != order.world:
            raise UserError(f"the training in {str(folder)!r} is in {order.world!r}, not {world!r}: take another --out")
    else:
        prior = options.prior or os.environ.get("LIVEOAK_PRIOR") or "scratch"
        order = _order(
            world=world,
            options=world_options(option or []),
            prior=prior,
            streams=streams,
            lives=lives,
            price_trained=price_trained,
            price_noted=price_noted,
            price_damage=price_damage,
            dense=dense,
            exam=exam,
            decides=decides,
            crowds=crowds,
            graded=graded,
            steps=steps,
            called=called,
            anchor=anchor,
            rate=rate,
            rank=rank,
            depth=depth,
            activated=activated,
            begin=called or prior == "scratch" if begin is None else begin,
            begin_steps=begin_steps,
            begin_skill=begin_skill,
            window=window,
            note_room=note_room,
            examined=examined,
            seed=seed,
        )
        if (folder / TRAIN_ORDERS.name).exists():
            raise UserError(f"{str(folder)!r} holds a training already: go on with --resume, or take another --out")
    crew = _crew(jobs, cluster)
    _train(options, folder, order, rounds, tensorboard=tensorboard, keep=keep, export=export, crew=crew)


def _crew(jobs: int | None, cluster: str | None) -> AbstractContextManager[Crew | None]:
    """Who lives the lives; None: this process."""
    if jobs is None and cluster is None:
        return nullcontext()
    from liveoak.cluster import hire_at

    return hire_at(cluster or "local")(jobs)


def _train(
    options: Options,
    folder: Path,
    order: TrainOrder,
    rounds: int,
    *,
    tensorboard: bool,
    keep: bool,
    export: Path | None,
    crew: AbstractContextManager[Crew | None],
) -> None:
    from liveoak.runtime.diary import read_metrics
    from liveoak.runtime.training.adopting import check_home
    from liveoak.runtime.training.training import open_training

    settings = options.settings()
    if keep:
        check_home(settings, options.who)
    with ExitStack() as stack:
        hired = stack.enter_context(crew)
        with loading(order.prior) as on_fetch:
            training = stack.enter_context(open_training(folder, order, settings, on_fetch, crew=hired))
        events = events_in(folder, stack) if tensorboard else None
        title = f"{order.world} on {order.prior}"
        curve = stack.enter_context(Curve(title, rounds, counts="rounds", shows="reward"))
        for line in read_metrics(training.diary.path):
            curve.add(line)
        for told in training.rounds(rounds):
            curve.add(told)
            if events is not None:
                _write(events, told)
        exams, weights, order = training.examine(), training.weights, training.order
        if export is not None:
            training.export(export)
    adopted = _keep(options, settings, weights, order) if keep else None
    _tell(options, folder, curve, exams, adopted)


def _keep(options: Options, settings: Settings, weights: Path, order: TrainOrder) -> Adopted:
    from liveoak.runtime.training.adopting import adopt, checkpoint

    with loading(order.prior) as on_fetch:
        return adopt(checkpoint(weights, order), settings, author=options.who, on_fetch=on_fetch)


def _write(events: Any, told: Mapping[str, Any]) -> None:
    """A round's figures."""
    figures = {name: told[name] for name in ("reward", "right", "learned", "noted", "failed")}
    figures |= {f"loss/{signal}": value for signal, value in told["losses"].items()}
    for name, value in figures.items():
        events.add_scalar(name, value, told["rounds"])


def _tell(options: Options, folder: Path, curve: Curve, exams: Sequence[ArmFigures], adopted: Adopted | None) -> None:
    """What came of it, from the files that hold it."""
    from liveoak.runtime.diary import read_metrics

    refused = adopted is not None and not adopted.verdict.kept
    if options.json:
        told: dict[str, Any] = {
            "folder": str(folder),
            "rounds": read_metrics(folder / "metrics.jsonl"),
            "exams": [one.model_dump(mode="json") for one in exams],
        }
        if adopted is not None:
            told |= adopted_as_json(adopted)
        print_json(told)
    else:
        print_table(("rounds", "reward", "failed", "losses"), curve.rows())
        print_table(
            ("held-out streams", "rounds", "reward", "right", "learned", "noted", "useful"),
            [
                (
                    one.arm,
                    str(one.rounds),
                    f"{one.reward:.3f}",
                    f"{one.right:.3f}",
                    f"{one.learned:.1f}",
                    f"{one.noted:.1f}",
                    f"{one.useful:.1f}",
                )
                for one in exams
            ],
            title=f"means over {len(exams[0].rewards)} held-out streams, one life each" if exams else None,
        )
        if adopted is not None:
            print_adopted(adopted)
        notice(f"written: {folder / 'metrics.jsonl'}, {folder / 'exams.json'}")
    if refused:
        raise typer.Exit(LearningError.exit_code)


def _order(**given: Any) -> TrainOrder:
    from pydantic import ValidationError

    from liveoak.runtime.training.orders import TrainOrder

    try:
        return TrainOrder(**given)
    except ValidationError as error:
        faults = [f"{fault['loc'][0]} = {fault['input']!r}: {fault['msg']}" for fault in error.errors()]
        raise BadSettings("; ".join(faults)) from None
