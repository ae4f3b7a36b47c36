"""`liveoak lab`: experiments, each a file of figures and a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liveoak.cli.options import Options, takes_options
from liveoak.cli.screen import notice, print_json, print_table, print_wide_table
from liveoak.errors import UserError

if TYPE_CHECKING:
    from liveoak.lab.results import Figure

_OUT = typer.Option(help="Folder of results.")


def register(app: typer.Typer) -> None:
    verbs = typer.Typer(help="Experiments: list them, run one, report on its results.", no_args_is_help=True)
    verbs.command("list")(takes_options(list_))
    verbs.command("run")(takes_options(run))
    verbs.command("report")(takes_options(report))
    app.add_typer(verbs, name="lab")


def list_(options: Options) -> None:
    """List the experiments."""
    from liveoak.lab import EXPERIMENTS

    if options.json:
        print_json([{"name": one.name, "summary": one.summary} for one in EXPERIMENTS])
    else:
        print_table(("experiment", "what it measures"), [(one.name, one.summary) for one in EXPERIMENTS])


def run(
    options: Options,
    name: Annotated[str, typer.Argument(help="The experiment.")],
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds (5).")] = None,
    passages: Annotated[int | None, typer.Option(min=1, help="How many passages (recipes: 20).")] = None,
    first: Annotated[int, typer.Option(min=0, help="The first seed or passage.")] = 0,
    repeats: Annotated[int | None, typer.Option(min=1, help="How many repeats of a bench (5).")] = None,
    minutes: Annotated[int | None, typer.Option(min=1, help="How long a soak is (30).")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Benches and lives: tiny sizes, to try them.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Lives at once, one thread each (one a core).")] = None,
    cluster: Annotated[
        str, typer.Option(help="Where lives are lived: local, auto (Ray), ray://HOST or HOST.")
    ] = "local",
    out: Annotated[Path, _OUT] = Path("results"),
) -> None:
    """Run an experiment; finished parts of an interrupted one are reused, but for benches."""
    from liveoak.cluster import hire_at
    from liveoak.lab import Order, experiment_named

    experiment = experiment_named(name)
    count = {"seeds": seeds, "passages": passages, "repeats": repeats, "minutes": minutes}
    for unit, said in count.items():
        if said is not None and unit != experiment.unit:
            raise UserError(f"--{unit} {said}: experiment {name!r} is repeated over --{experiment.unit}")
    if quick and not experiment.has_quick:
        raise UserError(f"--quick: experiment {name!r} knows no quick size")
    if first and experiment.unit not in ("seeds", "passages"):
        raise UserError(f"--first {first}: experiment {name!r} has no first one of its {experiment.unit}")
    if cluster != "local" and not experiment.has_crew:
        raise UserError(f"--cluster {cluster}: experiment {name!r} runs in one process")
    order = Order(
        settings=options.settings(),
        first=first,
        count=count[experiment.unit] or experiment.count,
        folder=out,
        tell=notice,
        quick=quick,
        jobs=jobs,
        hire=hire_at(cluster),
    )
    results = experiment.run(order)
    from liveoak.lab.report import write_report
    from liveoak.lab.results import save

    files = (save(results, out), *write_report(results, out))
    if options.json:
        print_json(results.model_dump(mode="json"))
    else:
        _tell(results.name, out)
        notice("written: " + ", ".join(str(file) for file in files))


def report(
    options: Options,
    name: Annotated[str, typer.Argument(help="The experiment, or `demo`.")],
    out: Annotated[Path, _OUT] = Path("results"),
) -> None:
    """Show an experiment's figures and write its HTML page and plot again."""
    from liveoak.lab.report import write_report
    from liveoak.lab.results import load

    results = load(out / f"{name}.json")
    files = write_report(results, out)
    if options.json:
        print_json({"results": results.model_dump(mode="json"), "files": [str(file) for file in files]})
    else:
        _tell(name, out)
        notice("written: " + ", ".join(str(file) for file in files))


def _tell(name: str, out: Path) -> None:
    from liveoak.lab.report import bound, dryness_of, shown, verdict_of
    from liveoak.lab.results import load

    results = load(out / f"{name}.json")
    dry = dryness_of(results)
    rows = [
        (key, shown(figure), figure.unit, str(figure.n), bound(key), verdict_of(key, figure.value, dry))
        for key, figure in results.metrics.items()
    ]
    print_table(("figure", "value [95 %]", "unit", "n", "wanted", ""), rows)
    if results.arms:
        print_wide_table(*_arms(results.arms))
    if dry:
        notice(f"dry run: {dry}")
    for missed in results.config.get("missed", ()):
        notice(f"missed: {missed['row']}. {missed['next']}")
    for failed in results.config.get("failed", ()):
        notice(f"failed: {failed['part']}: {failed['error']}")


def _arms(arms: Mapping[str, Mapping[str, Figure]]) -> tuple[list[str], list[list[str]]]:
    """A row for each arm: its figures with their intervals, each under its name and unit."""
    from liveoak.lab.report import shown

    units = {key: figure.unit for figures in arms.values() for key, figure in figures.items()}
    rows = [[arm, *(shown(figures[key]) if key in figures else "–" for key in units)] for arm, figures in arms.items()]
    return ["arm", *(f"{key}\n{unit}" for key, unit in units.items())], rows
