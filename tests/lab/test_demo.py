"""The demonstration's story, played against a scripted host over real HTTP: it must see failure as well as success."""

import html
import io
import json
from pathlib import Path

import pytest
from scholar import Scholar, Stage

from liveoak.config import Settings
from liveoak.errors import BadLesson, NotFound, Unavailable
from liveoak.lab.demo import Client, Plan, Server, Staging, Teller, stage, tell_document, tell_handbook
from liveoak.lab.demo.outcome import Outcome
from liveoak.lab.demo.server import environment_of
from liveoak.worlds import make_handbook

PLAN = Plan(seed=3, facts=10)


def play(
    tmp_path: Path, *, self_taught: int = 7, refuses: bool = False, forgets: bool = False
) -> tuple[Outcome, str, Scholar]:
    book = make_handbook(PLAN.seed, PLAN.facts)
    host = Scholar(Settings(home=tmp_path, port=0), book, self_taught=self_taught, refuses=refuses)
    server = Stage(host, forgets=forgets)
    told = io.StringIO()
    server.start()
    try:
        outcome = tell_handbook(PLAN, server, "agent", Teller(told))
    finally:
        server.close()
    assert server.kills == 1
    return outcome, told.getvalue(), host


def test_an_agent_that_learns_succeeds_with_the_right_figures(tmp_path: Path):
    outcome, told, host = play(tmp_path)
    values = {key: figure.value for key, figure in outcome.metrics.items()}
    assert values["recall_frozen"] == 0.0
    assert values["recall_learned"] == 0.7
    assert values["recall_after_restart"] == 0.7
    assert values["recall_after_rollback"] == 0.0
    assert values["recall_taught"] == 1.0
    assert values["bit_equal"] == 1.0
    assert values["retention_nats"] == pytest.approx(0.01)
    assert {
        "recall_in_context",
        "recall_truncated_context",
        "learn_seconds",
        "tokens_trained",
        "peak_memory_mib",
    } <= set(values)
    assert outcome.metrics["recall_learned"].n == 10
    assert outcome.succeeded
    assert "learned, empty context: 7 of 10 right" in told
    # What is taught beside the text are the taught wordings, never the exam's.
    self_taught, taught = host.lessons
    assert self_taught.questions == ()
    assert self_taught.source == taught.source == host.book.text
    assert [pair.question for pair in taught.questions] == [fact.taught_question for fact in host.book.facts]


def test_no_gain_is_no_success(tmp_path: Path):
    outcome, _, _ = play(tmp_path, self_taught=0)
    assert not outcome.succeeded
    assert [claim for claim, holds in outcome.claims.items() if not holds] == [
        "it answers more than before",
        "what it learned by itself reached its mark",
    ]


def test_a_small_gain_is_no_success(tmp_path: Path):
    outcome, _, _ = play(tmp_path, self_taught=5)
    assert outcome.metrics["recall_learned"].value == 0.5, "0.6 is asked"
    assert [claim for claim, holds in outcome.claims.items() if not holds] == [
        "what it learned by itself reached its mark"
    ]


def test_a_refused_lesson_is_no_success_and_says_why(tmp_path: Path):
    outcome, told, _ = play(tmp_path, refuses=True)
    assert not outcome.claims["the gate kept what it learned"]
    assert "refused: retention" in told


def test_forgetting_over_the_restart_is_seen(tmp_path: Path):
    outcome, _, _ = play(tmp_path, forgets=True)
    assert outcome.metrics["recall_after_restart"].value == 0.0
    assert not outcome.claims["after SIGKILL and restart it gives the same answers"]
    assert not outcome.claims["after SIGKILL and restart its log-probabilities are equal to the last bit"]


def test_the_order_of_the_story_is_told_without_control_characters(tmp_path: Path):
    _, told, _ = play(tmp_path)
    places = [told.index(f"\n{chapter}. ") for chapter in range(1, 7)]
    assert places == sorted(places)
    assert "\x1b" not in told


def test_a_document_is_judged_by_its_own_questions(tmp_path: Path):
    host = Scholar(Settings(home=tmp_path, port=0), make_handbook(1, 2), self_taught=1)
    server = Stage(host)
    server.start()
    try:
        outcome = tell_document("Notes", "Some text.", "low", server, "agent", Teller(io.StringIO()))
    finally:
        server.close()
    assert outcome.arms["before"]["recall"].value == 0.0
    assert outcome.arms["after"]["recall"].value == 0.75
    assert outcome.arms["after"]["recall"].n == 4
    assert outcome.succeeded
    # The lesson is served again at the end.
    assert host.current().parent is not None


def test_the_client_gives_the_servers_errors_as_ours(tmp_path: Path):
    host = Scholar(Settings(home=tmp_path, port=0), make_handbook(1, 2), self_taught=1)
    server = Stage(host)
    with Client(server.start(), "agent") as client:
        with pytest.raises(NotFound, match="nope"):
            client.answer(["Who?"], version="nope")
        with pytest.raises(NotFound, match="nope"):
            client.promote("nope")
        host.learn = lambda *_, **__: (_ for _ in ()).throw(BadLesson("nothing in it"))
        with pytest.raises(BadLesson, match="nothing in it"):
            client.learn({"topic": "x", "source": "y"}, lambda *_: None)
        server.close()
        with pytest.raises(Unavailable, match="does not answer"):
            client.answer(["Who?"])


def test_replies_come_in_the_order_of_the_prompts_and_name_their_version(tmp_path: Path):
    book = make_handbook(1, 12)
    host = Scholar(Settings(home=tmp_path, port=0), book, self_taught=12)
    server = Stage(host)
    with Client(server.start(), "agent") as client:
        proof = client.learn({"topic": "x", "source": "y"}, lambda *_: None)
        from liveoak.lab.exam import exam_prompt

        replies = client.answer([exam_prompt(fact.exam_question) for fact in book.facts])
        assert [reply.text for reply in replies] == [f"{fact.answer}." for fact in book.facts]
        assert {reply.version for reply in replies} == {proof["version"]}
    server.close()


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path):
    settings = Settings(home=tmp_path / "home", cache=tmp_path / "cache", prior="no-such-prior")
    with Server(settings) as server:
        with pytest.raises(NotFound, match="no-such-prior"):
            server.start()
        assert server.pid is None


def test_settings_reach_the_server_by_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from liveoak.config import load_settings

    settings = Settings(home=tmp_path, prior="scratch", threads=2, accept_licence=("one", "two"), context=512)
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings.model_copy(update={"port": 0, "cache": settings.cache.expanduser()})


def test_the_stage_writes_results_plot_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    host = Scholar(Settings(home=tmp_path / "h", port=0), make_handbook(PLAN.seed, PLAN.facts), self_taught=6)

    class Played(Stage):
        def __init__(self, settings: Settings, **_: object) -> None:
            super().__init__(host)

        def __enter__(self):
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        stop = Stage.close

    monkeypatch.setattr("liveoak.lab.demo.staging.Server", Played)
    told = io.StringIO()
    staging = Staging(settings=host.settings, plan=PLAN, home=None, folder=tmp_path / "out")
    ended = stage(staging, Teller(told))
    written = json.loads((tmp_path / "out" / "demo.json").read_text())
    assert set(written) == {"name", "created", "liveoak", "machine", "config", "metrics", "arms"}
    assert (written["machine"]["device"], written["machine"]["dtype"]) == ("cpu", "float32"), "as used, not as set"
    assert written["metrics"]["recall_learned"] == {
        "value": 0.6,
        "unit": "share",
        "better": "higher",
        "n": 10,
        "ci95": None,
    }
    assert written["config"]["exam"][0]["learned"]
    assert (tmp_path / "out" / "demo.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "out" / "demo.html").read_text()
    assert "recall_learned" in page
    # The six that it taught itself are right before and after the restart, all ten when taught.
    asked = page.index("<h2>The exam</h2>")
    assert page.index("<h2>Claims</h2>") < page.index("<h2>Figures</h2>") < asked
    exam = page[asked : page.index("<h2>What the figures mean</h2>")]
    known = make_handbook(PLAN.seed, PLAN.facts).facts[5]
    assert exam.count('<td class="met">') == 6 + 6 + 10
    assert f"<td>{html.escape(known.exam_question)}</td><td>{html.escape(known.answer)}</td>" in exam
    assert "http://" not in page
    assert ended.outcome.succeeded
    assert "met" in told.getvalue()
