"""Pages hold what the code says: tables that are generated, verbs, settings, figures, links and names."""

import re
import subprocess
from pathlib import Path

import pytest

from liveoak.cli import VERBS
from liveoak.config import GateSettings, Settings
from liveoak.lab import METRICS
from liveoak.lab.exam import INSTRUCTION, MAX_TOKENS
from liveoak.lab.reference import renewed

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["docs/lab.md", "docs/settings.md"])
def test_generated_tables_are_current(name: str):
    assert renewed(text(name)) == text(name), "run: make docs"


def test_renewing_repairs_a_stale_table_and_nothing_else():
    page = text("docs/lab.md")
    stale = page.replace("| `recall_learned` | share | higher |", "| `recall_learned` | metres | lower |")
    assert stale != page
    assert renewed(stale) == page
    assert renewed("no marks here") == "no marks here"


def test_every_metric_setting_and_verb_is_told():
    for key in METRICS:
        assert f"| `{key}` |" in text("docs/lab.md"), key
    for model in (Settings, GateSettings):
        for name in model.model_fields:
            assert f"| `{name}` |" in text("docs/settings.md"), name
    for verb in VERBS:
        assert f"`liveoak {verb}`" in text("docs/cli.md"), verb


def test_the_lab_page_quotes_the_exam_as_it_is():
    assert f"`{INSTRUCTION}`" in text("docs/lab.md")
    assert f"at most {MAX_TOKENS} tokens" in text("docs/lab.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in re.findall(r"\]\(([^)\s#]+\.md)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                waiting.append((page.parent / target).resolve())
    assert [page for page in PAGES if page not in reached and page.parent.name != "decisions"] == []


def test_make_verbs_exist_and_the_readme_names_no_other():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    # Typed: between backticks, or at the beginning of a line of code.
    told = set(re.findall(r"(?:`|^ *\$? *)make ([a-z-]+)(?:`| [A-Z]|$)", pages, flags=re.MULTILINE))
    verbs = set(re.findall(r"^([a-z-]+):.*##", text("Makefile"), flags=re.MULTILINE))
    assert {"setup", "demo", "serve", "test", "check", "bench", "lab", "docs"} <= verbs
    assert told <= verbs
    for verb in sorted(verbs):
        plan = subprocess.run(["make", "-n", verb], cwd=ROOT, capture_output=True, text=True, check=False)
        assert plan.returncode == 0, (verb, plan.stderr)
