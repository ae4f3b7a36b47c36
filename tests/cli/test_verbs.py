"""Every verb, over a server and in process: the same words in, the same out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liveoak.serving.scripted import IGNORANCE, ScriptedHost

pytestmark = pytest.mark.usefixtures("reached")
QUESTION = "Who has the key?"
Cli = Callable[..., Any]


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "keys.md"
    path.write_text(f"# The keys\n\n{QUESTION} Ada has it.\n")
    return path


def test_what_a_document_says_is_answered_and_rolled_back(cli: Cli, document: Path) -> None:
    assert cli("ask", QUESTION).out == IGNORANCE + "\n"
    learned = cli("learn", str(document))
    assert learned.code == 0
    assert "learned 'The keys' in 0.5 s" in learned.out
    assert "recall (of 4 questions not trained on)" in learned.out
    assert cli("ask", QUESTION).out == "Ada has it.\n"
    assert cli("versions", "rollback").code == 0
    assert cli("ask", QUESTION).out == IGNORANCE + "\n"


def test_json_says_what_a_program_needs(cli: Cli, host: ScriptedHost, document: Path) -> None:
    told = cli("learn", str(document), "--json").json
    [learned] = told["lessons"]
    assert told["seconds"] > 0
    assert learned["file"] == str(document)
    assert learned["proof"]["topic"] == "The keys"
    assert learned["proof"]["version"] == host.current().id
    answer = cli("ask", QUESTION, "--json").json
    assert (answer["answer"], answer["version"], answer["finish"]) == ("Ada has it.", host.current().id, "stop")
    assert host.experience.known_turns[answer["turn"]].session == answer["session"]
    chain = cli("versions", "--json").json
    assert chain["current"] == host.current().id
    assert [version["id"] for version in chain["versions"]] == [version.id for version in host.versions()]


def test_a_chain_of_several_pages_is_listed_whole(
    cli: Cli, host: ScriptedHost, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liveoak.cli.remote._PAGE", 2)
    for _ in range(3):
        assert cli("learn", str(document)).code == 0
    listed = [version["id"] for version in cli("versions", "--json").json["versions"]]
    assert listed == [version.id for version in host.versions()]
    assert len(listed) == 4


def test_options_may_stand_before_the_verb(cli: Cli) -> None:
    assert cli("--json", "versions").json == cli("versions", "--json").json


def test_a_pinned_version_answers(cli: Cli, document: Path) -> None:
    first = cli("versions", "--json").json["current"]
    cli("learn", str(document))
    assert cli("ask", QUESTION, "--version", first).out == IGNORANCE + "\n"


def test_a_session_learns_for_itself(cli: Cli, document: Path) -> None:
    cli("learn", str(document), "--session", "mine", "--topic", "T", "--effort", "low")
    assert cli("ask", QUESTION).out == IGNORANCE + "\n"
    assert cli("ask", QUESTION, "--session", "mine").out == "Ada has it.\n"
    [shown] = [one for one in cli("versions", "--session", "mine", "--json").json["versions"] if one["session"]]
    assert shown["session"] == "mine"


def test_standard_input_is_a_document_and_a_question(cli: Cli) -> None:
    [learned] = cli("learn", "-", "--json", stdin=f"{QUESTION} Ada has it.").json["lessons"]
    assert learned["proof"]["topic"] == "standard input"
    assert cli("ask", "-", stdin=QUESTION).out == "Ada has it.\n"


def test_refused_and_diverged_lessons_exit_with_7(cli: Cli, document: Path) -> None:
    refused = cli("learn", str(document), "--topic", "refused")
    assert refused.code == 7
    assert "refused 'refused'" in refused.out
    assert "retention" in refused.out
    diverged = cli("learn", str(document), "--topic", "diverged", "--json")
    assert diverged.code == 7
    assert diverged.json["lessons"][0]["error"]["code"] == "learning_error"


def test_a_bad_document_stops_before_anything_is_learned(cli: Cli, document: Path, tmp_path: Path) -> None:
    binary = tmp_path / "photo.jpg"
    binary.write_bytes(b"\xff\xd8\x00\x01")
    ran = cli("learn", str(document), str(binary))
    assert ran.code == 2
    assert ran.err.startswith(f"error: {binary}: a binary file")
    assert len(cli("versions", "--json").json["versions"]) == 1


def test_a_session_is_consolidated(cli: Cli, document: Path) -> None:
    cli("learn", str(document), "--session", "mine")
    assert cli("ask", QUESTION).out == IGNORANCE + "\n"
    told = cli("versions", "consolidate", "mine")
    assert told.code == 0 and "learned 'consolidation of mine'" in told.out
    assert cli("ask", QUESTION).out == "Ada has it.\n"
    again = cli("versions", "consolidate", "--session", "mine", "--json")
    assert again.json["topic"] == "consolidation of mine"
    for arguments in ([], ["mine", "--session", "mine"]):
        wrong = cli("versions", "consolidate", *arguments)
        assert wrong.code == 2 and "needs one session" in wrong.err
    assert cli("versions", "consolidate", "nobody").code == 3


def test_what_was_said_of_a_reply_is_learned(cli: Cli, host: ScriptedHost) -> None:
    def correct(text: str) -> None:
        turn = cli("ask", QUESTION, "--json").json["turn"]
        host.feedback(turn=turn, author="local", kind="correction", text=text)

    correct("Ada has it.")
    told = cli("learn", "--from-feedback")
    assert told.code == 0 and "1 sessions were learned from, 0 wait" in told.out
    assert "recall (of 4" in told.out, "the proof, as of a lesson"
    assert cli("ask", QUESTION).out == "Ada has it.\n"
    again = cli("learn", "--from-feedback")
    assert again.code == 0 and again.out == f"nothing new was said of replies; version {host.current().id} stays\n"
    assert cli("learn", "--from-feedback", "--json").json["proof"] is None
    correct("refused")
    refused = cli("learn", "--from-feedback", "--json")
    assert refused.code == 7 and refused.json["proof"]["verdict"]["kept"] is False
    assert cli("learn", "--from-feedback", "--author", "eve").code == 2


def test_learn_needs_files_or_feedback(cli: Cli, document: Path) -> None:
    for arguments in ([], ["--from-feedback", str(document)], ["--from-feedback", "--session", "s"]):
        assert cli("learn", *arguments).code == 2, arguments


def test_versions_are_shown_and_promoted(cli: Cli, document: Path) -> None:
    [learned] = cli("learn", str(document), "--json").json["lessons"]
    version = learned["proof"]["version"]
    shown = cli("versions", "show", version)
    assert version in shown.out
    assert "probe retention" in shown.out
    cli("versions", "rollback")
    assert f"version {version} is served" in cli("versions", "promote", version).out
    assert "served" in cli("versions").out


def test_what_is_not_there_exits_with_3(cli: Cli) -> None:
    for arguments in (
        ["versions", "show", "0000dead"],
        ["versions", "rollback", "0000dead"],
        ["versions", "promote", "a/b"],
        ["ask", "x", "--version", "0000dead"],
        ["experience", "show", "nobody"],
        ["experience", "erase", "nobody", "--yes"],
    ):
        ran = cli(*arguments)
        assert (ran.code, ran.out) == (3, ""), arguments
        assert ran.err.startswith("error: ")
        told = cli(*arguments, "--json")
        assert told.code == 3
        assert told.json["error"]["code"] == "not_found"


def test_the_record_is_listed_shown_exported_and_erased(cli: Cli, tmp_path: Path) -> None:
    cli("ask", QUESTION, "--session", "one")
    cli("ask", QUESTION, "--session", "two")
    assert {session["id"] for session in cli("experience", "--json").json["sessions"]} == {"one", "two"}
    shown = cli("experience", "show", "one").out
    assert QUESTION in shown
    assert IGNORANCE in shown
    lines = [json.loads(line) for line in cli("experience", "export").out.splitlines()]
    assert [line["session"]["id"] for line in lines] == ["one", "two"]
    assert lines[0]["turns"][-1]["ids"] == [1, 2]
    target = tmp_path / "out.jsonl"
    assert cli("experience", "export", "two", "--out", str(target)).code == 0
    assert [json.loads(line) for line in target.read_text().splitlines()] == lines[1:]
    assert cli("experience", "export", "--out", str(target)).code == 4
    assert cli("experience", "erase", "one").code == 2
    assert "retired: none" in cli("experience", "erase", "one", "--yes").out
    assert [session["id"] for session in cli("experience", "--json").json["sessions"]] == ["two"]


def test_chat_in_a_pipe_talks_learns_and_forgets(cli: Cli, document: Path) -> None:
    lines = [QUESTION, f"/learn {document}", QUESTION, "/versions", "/forget", QUESTION, "/quit", "unheard"]
    ran = cli("chat", "--session", "talk", stdin="\n".join(lines))
    assert ran.code == 0
    replies = [line for line in ran.out.splitlines() if line in (IGNORANCE, "Ada has it.")]
    assert replies == [IGNORANCE, "Ada has it.", IGNORANCE]
    assert "learned 'The keys'" in ran.err
    assert "forgotten" in ran.err
    assert "served" in ran.out


def test_chat_tells_when_the_agent_learns(cli: Cli) -> None:
    ran = cli("chat", stdin="study: keys\nstudy: diverged\n")
    assert ran.out == "Learned.\nLearned.\n"
    assert ran.err.count("(learning ...)") == 2
    assert "(learned 'keys' in 0.5 s" in ran.err
    assert "nan at step 3" in ran.err


def test_chat_goes_on_with_a_session(cli: Cli, host: ScriptedHost) -> None:
    cli("chat", "--session", "talk", stdin="First.\n")
    [told] = cli("chat", "--session", "talk", "--json", stdin="Second.\n").out.splitlines()
    assert json.loads(told)["session"] == "talk"
    said = [turn.message.content for turn in host.experience.turns("talk")]
    assert said[-4:] == ["First.", IGNORANCE, "Second.", IGNORANCE]


def test_chat_in_a_pipe_stops_at_the_first_error(cli: Cli) -> None:
    ran = cli("chat", stdin="/learn gone.txt\nunheard\n")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: gone.txt: no such file")
    assert cli("chat", stdin="/dance").code == 2


def test_a_reply_that_breaks_off_exits_with_its_code(cli: Cli) -> None:
    ran = cli("ask", "fail")
    assert (ran.code, ran.err) == (7, "error: the script says so\n")


def test_chat_tells_what_the_agent_notes_and_lists_it(cli: Cli) -> None:
    lines = ["/notes", "note: Ada has the key.", "note: too much", "/notes"]
    ran = cli("chat", "--session", "talk", stdin="\n".join(lines))
    assert ran.out == "Noted.\nNoted.\n"
    assert ran.err.splitlines() == [
        "no notes here",
        "(noted: Ada has the key.)",
        "(could not note: note: text: it has 300 tokens, and all notes together have 256: shorten it)",
        "- Ada has the key.",
    ]
    assert "note: Ada has the key." in cli("experience", "show", "talk").out
    assert cli("experience", "show", "talk", "--json").json["notes"][0]["text"] == "Ada has the key."
    [told] = cli("chat", "--session", "talk", "--json", stdin="note: Bo has it.\n").out.splitlines()
    assert json.loads(told)["noted"] == ["Bo has it."]


def test_what_is_somebodys_is_not_there_for_others(cli: Cli, document: Path) -> None:
    zoe = ("--author", "zoë")
    assert cli("learn", str(document), "--session", "mine", *zoe).code == 0
    chain = cli("versions", "--session", "mine", "--json", *zoe).json
    first, learned = (version["id"] for version in chain["versions"])
    assert cli("ask", QUESTION, "--version", learned, *zoe).out == "Ada has it.\n"
    for arguments in (
        ["ask", QUESTION, "--session", "mine"],
        ["ask", QUESTION, "--version", learned],
        ["versions", "--session", "mine"],
        ["versions", "show", learned],
        ["versions", "rollback", first, "--session", "mine"],
        ["versions", "promote", learned],
    ):
        assert cli(*arguments).code == 3, arguments
    assert cli("chat", "--session", "talk", stdin="/forget\n").code == 3
    for arguments in (["versions", "promote", learned], ["versions", "rollback"], ["learn", str(document)]):
        refused = cli(*arguments, "--json", *zoe)
        assert refused.code == 2, arguments
        told = refused.json.get("error") or refused.json["lessons"][0]["error"]
        assert (told["code"], "teachers" in told["message"]) == ("not_allowed", True), arguments
    cli("ask", QUESTION, "--session", "other")
    seen = {one["id"] for one in cli("experience", "--json", *zoe).json["sessions"]}
    assert "mine" in seen and "other" not in seen
    assert {"mine", "other"} <= {one["id"] for one in cli("experience", "--json").json["sessions"]}, (
        "a teacher sees all"
    )
    assert cli("experience", "show", "other", *zoe).code == 3
    assert cli("experience", "erase", "other", "--yes", *zoe).code == 3
    assert cli("versions", "rollback", first, "--session", "mine", *zoe).code == 0
    assert cli("experience", "erase", "mine", "--yes").code == 0
