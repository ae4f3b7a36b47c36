"""A results file as one HTML page that needs no network: figures, thresholds, arms, plots and machine."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from liveoak.lab.lives.lines import lines_of
from liveoak.lab.lives.lines import picture as lines_picture
from liveoak.lab.metrics import metric
from liveoak.lab.plots import against_wanted, bars, curve, curves_of
from liveoak.lab.results import Figure, Results, write_whole
from liveoak.worlds import answered

_RECALLS = (
    "recall_frozen",
    "recall_in_context",
    "recall_truncated_context",
    "recall_learned",
    "recall_after_restart",
    "recall_after_rollback",
    "recall_taught",
)


def write_report(results: Results, folder: Path) -> tuple[Path, Path]:
    """Write `NAME.html` and `NAME.png` into `folder`; gives their paths.

    Raises:
        StorageError: the folder cannot be written.
    """
    picture = _picture(results)
    page, plot = folder / f"{results.name}.html", folder / f"{results.name}.png"
    write_whole(plot, picture[1])
    write_whole(page, render(results, picture))
    return page, plot


def render(results: Results, picture: tuple[str, bytes] | None = None) -> str:
    """The page as text. `picture` is the first one with its title, where it is drawn already."""
    pictures = [picture or _picture(results)]
    pictures += [(drawn.title, curve(results, drawn)) for drawn in curves_of(results)]
    pictures += [(drawn.title, lines_picture(drawn)) for drawn in lines_of(results.config)[1:]]
    title = html.escape(f"{results.name}, liveoak {results.liveoak}")
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head><body>',
        f"<h1>{title}</h1><p>{html.escape(results.created)}</p>",
        *_dry(results),
        *_claims(results.config.get("claims")),
        "<h2>Figures</h2>",
        _figures(results),
        *_missed(results.config.get("missed")),
        *(f"<h2>{html.escape(name)}</h2>{_image(name, data)}" for name, data in pictures),
        "<h2>Arms</h2>",
        _arms(results.arms),
        *_exam(results.config.get("exam")),
        "<h2>What the figures mean</h2>",
        _meanings(_keys(results)),
        "<h2>Machine</h2>",
        _pairs(results.machine.model_dump(mode="json")),
        "<h2>Configuration</h2>",
        _pairs({key: value for key, value in results.config.items() if key not in _SHOWN_ELSEWHERE}),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _picture(results: Results) -> tuple[str, bytes]:
    """Curves over episodes, recall where there was an exam, else the figures against what is wanted of them."""
    if lines := lines_of(results.config):
        return lines[0].title, lines_picture(lines[0])
    examined = any(key in results.metrics for key in _RECALLS) or any("recall" in arm for arm in results.arms.values())
    drawn = None if examined else against_wanted(results)
    return (
        ("Recall on the exam", bars(results, _RECALLS))
        if drawn is None
        else ("Dry run" if dryness_of(results) else "Against what is wanted", drawn)
    )


def verdict_of(key: str, value: float, dry: str = "") -> str:
    """`met`, `missed`, or nothing where nothing is promised; in a dry run that."""
    met = metric(key).met(value)
    return "" if met is None else "dry run" if dry else "met" if met else "missed"


def dryness_of(results: Results) -> str:
    """Why no figure of the run means anything; empty where they do."""
    return str(results.config.get("dry_run", ""))


def shown(figure: Figure) -> str:
    """A value as a person reads it, with its interval."""
    digits = 0 if figure.unit in ("tokens", "MiB", "episodes") else 1 if figure.unit == "s" else 3
    if figure.ci95 is None:
        return f"{figure.value:.{digits}f}"
    return f"{figure.value:.{digits}f} [{figure.ci95[0]:.{digits}f}, {figure.ci95[1]:.{digits}f}]"


def bound(key: str) -> str:
    """The threshold as text, empty where there is none."""
    declared = metric(key)
    if declared.threshold is None:
        return ""
    return f"{'≥' if declared.better == 'higher' else '≤'} {declared.threshold:g}"


def _figures(results: Results) -> str:
    verdicts = {key: verdict_of(key, figure.value, dryness_of(results)) for key, figure in results.metrics.items()}
    rows = (
        f"<tr><td>{key}</td><td>{shown(figure)}</td><td>{figure.unit}</td><td>{figure.n}</td>"
        f'<td>{bound(key)}</td><td class="{verdicts[key]}">{verdicts[key]}</td></tr>'
        for key, figure in results.metrics.items()
    )
    heads = "<tr><th>figure</th><th>value [95 %]</th><th>unit</th><th>n</th><th>wanted</th><th></th></tr>"
    return f"<table>{heads}{''.join(rows)}</table>"


def _dry(results: Results) -> list[str]:
    dry = dryness_of(results)
    return [f'<p class="missed">Dry run: {html.escape(dry)}.</p>'] if dry else []


def _missed(missed: Any) -> list[str]:
    """Each row that misses what is wanted, with where the time goes and what comes next."""
    if not isinstance(missed, list) or not missed:
        return []
    told = cast("list[dict[str, Any]]", missed)
    rows = (
        f"<tr><td>{html.escape(one['row'])}</td><td>{html.escape(_listed(one['time']))}</td>"
        f"<td>{html.escape(one['next'])}</td></tr>"
        for one in told
    )
    heads = "<tr><th>row</th><th>where the time goes</th><th>what comes next</th></tr>"
    return ["<h2>Missed</h2>", f"<table>{heads}{''.join(rows)}</table>"]


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.3f}" for name, share in shares.items()) or "not profiled"


def _arms(arms: Mapping[str, Mapping[str, Figure]]) -> str:
    keys = list(dict.fromkeys(key for figures in arms.values() for key in figures))
    heads = "".join(f"<th>{key}</th>" for key in keys)
    rows = (
        f"<tr><td>{html.escape(arm)}</td>"
        + "".join(f"<td>{shown(figures[key]) if key in figures else '–'}</td>" for key in keys)
        + "</tr>"
        for arm, figures in arms.items()
    )
    return f'<div class="wide"><table><tr><th>arm</th>{heads}</tr>{"".join(rows)}</table></div>'


def _claims(claims: Any) -> list[str]:
    """Sentences that turned out true or false."""
    if not isinstance(claims, dict) or not claims:
        return []
    told = cast("dict[str, bool]", claims)
    rows = (
        f'<li class="{"met" if holds else "missed"}">{"✓" if holds else "✗"} {html.escape(claim)}</li>'
        for claim, holds in told.items()
    )
    return ["<h2>Claims</h2>", f"<ul>{''.join(rows)}</ul>"]


def _exam(exam: Any) -> list[str]:
    """Every question with its true answer and what each arm replied."""
    if not isinstance(exam, list) or not exam:
        return []
    asked = cast("list[dict[str, str]]", exam)
    arms = [key for key in asked[0] if key not in ("question", "answer")]
    heads = "".join(f"<th>{html.escape(arm.replace('_', ' '))}</th>" for arm in arms)
    rows = (
        f"<tr><td>{html.escape(one['question'])}</td><td>{html.escape(one['answer'])}</td>"
        + "".join(_reply(one[arm], one["answer"]) for arm in arms)
        + "</tr>"
        for one in asked
    )
    table = f"<table><tr><th>question</th><th>true answer</th>{heads}</tr>{''.join(rows)}</table>"
    return ["<h2>The exam</h2>", f'<div class="wide">{table}</div>']


def _reply(reply: str, truth: str) -> str:
    return f'<td class="{"met" if answered(reply, truth) else "missed"}">{html.escape(reply)}</td>'


def _meanings(keys: Iterable[str]) -> str:
    return "<dl>" + "".join(f"<dt>{key}</dt><dd>{html.escape(metric(key).description)}</dd>" for key in keys) + "</dl>"


def _keys(results: Results) -> list[str]:
    arms = (key for figures in results.arms.values() for key in figures)
    return list(dict.fromkeys([*results.metrics, *arms]))


def _pairs(values: Mapping[str, object]) -> str:
    rows = (
        f"<tr><td>{html.escape(key)}</td><td>{html.escape(_text(value))}</td></tr>" for key, value in values.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _image(name: str, data: bytes) -> str:
    encoded = base64.b64encode(data).decode("ascii")
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{encoded}">'


_SHOWN_ELSEWHERE = frozenset({"curves", "lines", "claims", "exam", "dry_run", "missed"})
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#20272b}"
    "table{border-collapse:collapse;margin:.5rem 0}td,th{border-bottom:1px solid #d8dee2;padding:.25rem .7rem;"
    "text-align:left;vertical-align:top}img{max-width:100%}.met{color:#2f6f4f}.missed{color:#b5532a}"
    "ul{list-style:none;padding:0}.wide{overflow-x:auto}.wide td{font-size:13px}"
    "dt{font-weight:600}dd{margin:0 0 .4rem 1rem}"
)
