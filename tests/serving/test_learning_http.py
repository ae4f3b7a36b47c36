"""Lessons, versions and erasure over HTTP: what is taught is answered, and what is undone is not."""

from __future__ import annotations

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import openai
import pytest
from pydantic import TypeAdapter

from liveoak.records import QA, Harvest, Lesson, Proof, Version
from liveoak.serving.encoding import as_json, json_text
from liveoak.serving.learn_routes import MOST_LESSONS, MOST_OF_ONE
from liveoak.serving.scripted import IGNORANCE, ScriptedHost

QUESTION = "Who has the key?"
LESSON = {"topic": "keys", "questions": [{"question": QUESTION, "answer": "Ada has it."}]}


def ask(client: openai.OpenAI, model: str = "agent", session: str | None = None) -> str | None:
    extra = {"session": session} if session else {}
    messages = [{"role": "user", "content": QUESTION}]
    return client.chat.completions.create(model=model, messages=messages, extra_body=extra).choices[0].message.content


def test_a_lesson_is_served_rolled_back_and_promoted(http: httpx.Client, client: openai.OpenAI) -> None:
    first = http.get("/v1/versions").json()["current"]
    proof = http.post("/v1/learn", json=LESSON).json()
    assert proof["parent"] == first
    assert ask(client) == "Ada has it."
    assert ask(client, f"agent@{first}") == IGNORANCE
    assert [version["id"] for version in http.get("/v1/versions").json()["data"]] == [first, proof["version"]]
    assert http.post("/v1/versions/rollback", json={}).json()["id"] == first
    assert ask(client) == IGNORANCE
    assert http.post("/v1/versions/promote", json={"version": proof["version"]}).json()["id"] == proof["version"]
    assert ask(client) == "Ada has it."


def test_a_long_chain_is_listed_in_pages(http: httpx.Client, scripted: ScriptedHost) -> None:
    for number in range(4):
        http.post("/v1/learn", json={**LESSON, "topic": f"keys {number}"})
    line = [version.id for version in scripted.versions()]

    def page(**asked: object) -> list[str]:
        told = http.get("/v1/versions", params=asked).json()
        assert told["current"] == line[-1]
        return [version["id"] for version in told["data"]]

    assert len(line) == 5
    assert page() == line
    assert page(limit=2) == line[3:]
    assert page(limit=2, before=line[3]) == line[1:3]
    assert page(limit=2, before=line[1]) == line[:1]
    assert page(before=line[0]) == []
    assert http.get("/v1/versions", params={"limit": 0}).status_code == 400
    assert http.get("/v1/versions", params={"limit": 1001}).status_code == 400
    assert http.get("/v1/versions", params={"before": "gone"}).status_code == 404


def test_a_sessions_lesson_stays_in_the_session(http: httpx.Client, client: openai.OpenAI) -> None:
    http.post("/v1/learn", json={**LESSON, "session": "mine"})
    assert ask(client, session="mine") == "Ada has it."
    assert ask(client, session="yours") == IGNORANCE
    assert ask(client) == IGNORANCE
    http.post("/v1/versions/forget", json={"session": "mine"})
    assert ask(client, session="mine") == IGNORANCE


def test_what_a_session_learned_is_consolidated(http: httpx.Client, client: openai.OpenAI) -> None:
    http.post("/v1/learn", json={**LESSON, "session": "mine"})
    answer = http.post("/v1/versions/consolidate", json={"session": "mine"})
    assert answer.status_code == 200 and answer.json()["verdict"]["kept"]
    assert answer.headers["x-liveoak-version"] == answer.json()["version"]
    assert ask(client) == "Ada has it."
    for session, status in (("none", 404), ("yours", 400)):
        ask(client, session="yours")
        assert http.post("/v1/versions/consolidate", json={"session": session}).status_code == status


def test_a_consolidation_tells_its_progress(http: httpx.Client) -> None:
    http.post("/v1/learn", json={**LESSON, "session": "mine"})
    told = http.post("/v1/versions/consolidate", json={"session": "mine", "stream": True}).text
    names = [line.removeprefix("event: ") for line in told.splitlines() if line.startswith("event: ")]
    assert names == ["progress", "proof"]
    assert told.rstrip().endswith("data: [DONE]")


def test_what_was_said_of_a_reply_is_learned_from_once(http: httpx.Client, client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="agent", messages=[{"role": "user", "content": QUESTION}])
    turn = getattr(reply, "liveoak")["turn"]  # noqa: B009
    http.post("/v1/feedback", json={"turn": turn, "kind": "correction", "text": "Ada has it."})
    refused = http.post("/v1/feedback/learn", json={}, headers={"X-Liveoak-Author": "eve"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
    answer = http.post("/v1/feedback/learn", json={})
    assert answer.status_code == 200
    told = TypeAdapter(Harvest).validate_python(answer.json())
    assert told.proof is not None and told.proof.verdict.kept and told.credited["imitation"] > 0
    assert answer.headers["x-liveoak-version"] == told.version == told.proof.version
    assert ask(client) == "Ada has it."
    again = http.post("/v1/feedback/learn", json={}).json()
    assert (again["sessions"], again["version"], again["proof"]) == ([], told.version, None)


def test_a_harvest_tells_its_progress(http: httpx.Client, client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="agent", messages=[{"role": "user", "content": QUESTION}])
    turn = getattr(reply, "liveoak")["turn"]  # noqa: B009
    http.post("/v1/feedback", json={"turn": turn, "kind": "correction", "text": "Ada has it."})
    told = http.post("/v1/feedback/learn", json={"stream": True}).text
    assert [line for line in told.splitlines() if line.startswith("event: ")] == ["event: progress", "event: harvest"]
    assert told.rstrip().endswith("data: [DONE]")


def test_a_proof_and_a_version_read_back_as_the_records_they_were(scripted: ScriptedHost, http: httpx.Client) -> None:
    answer = http.post("/v1/learn", json=LESSON)
    proof = TypeAdapter(Proof).validate_python(answer.json())
    assert scripted.experience.taught[proof.lesson].proof == proof
    version = TypeAdapter(Version).validate_python(http.get(f"/v1/versions/{proof.version}").json())
    assert version == scripted.current()
    assert answer.headers["x-liveoak-version"] == proof.version


def test_a_refused_lesson_is_an_answer_not_an_error(http: httpx.Client, client: openai.OpenAI) -> None:
    answer = http.post("/v1/learn", json={**LESSON, "topic": "refused"})
    assert answer.status_code == 200
    assert answer.json()["verdict"]["kept"] is False
    assert answer.json()["version"] == answer.json()["parent"]
    assert ask(client) == IGNORANCE


def test_a_diverged_lesson_is_422(http: httpx.Client) -> None:
    answer = http.post("/v1/learn", json={**LESSON, "topic": "diverged"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "learning_error")


@pytest.mark.parametrize(("topic", "last"), [("keys", "proof"), ("diverged", "error")])
def test_a_streamed_lesson_tells_its_progress(http: httpx.Client, topic: str, last: str) -> None:
    answer = http.post("/v1/learn", json={**LESSON, "topic": topic, "stream": True})
    blocks = answer.text.strip().split("\n\n")
    assert blocks.pop() == "data: [DONE]"
    names = [block.split("\n")[0].removeprefix("event: ") for block in blocks]
    assert names == (["progress"] * 4 + ["proof"] if last == "proof" else ["error"])
    values = [json.loads(block.split("\ndata: ")[1]) for block in blocks]
    if last == "proof":
        assert [value["stage"] for value in values[:-1]] == ["read", "write", "study", "gate"]
        assert values[-1]["topic"] == "keys"
    else:
        assert values[-1]["error"]["code"] == "learning_error"


def test_a_document_is_named_by_its_first_line(scripted: ScriptedHost, http: httpx.Client) -> None:
    proof = http.post("/v1/learn", json={"source": "\n\n# The keys\n\nWho has the key? Ada."}).json()
    assert proof["topic"] == "The keys"
    assert [one.author for one in scripted.experience.lessons()] == ["local"]
    assert len(http.get("/v1/lessons").json()["data"]) == 1
    assert http.get("/v1/lessons", params={"session": "none"}).json()["data"] == []


def test_erasing_a_session_names_the_versions_that_learned_from_it(http: httpx.Client) -> None:
    proof = http.post("/v1/learn", json={**LESSON, "session": "mine"}).json()
    assert [one["id"] for one in http.get("/v1/experience/sessions").json()["data"]] == ["mine"]
    assert http.delete("/v1/experience/sessions/mine").json() == {
        "id": "mine",
        "erased": True,
        "retired": [proof["version"]],
    }
    assert http.get("/v1/experience/sessions/mine").status_code == 404
    assert http.delete("/v1/experience/sessions/mine").status_code == 404


def test_figures_that_are_not_numbers_are_null(scripted: ScriptedHost) -> None:
    lesson = Lesson(id="l1", topic="keys", questions=(QA(question=QUESTION, answer="Ada"),))
    proof = scripted.learn(lesson)
    text = json_text(as_json(replace(proof, loss_after=math.nan, kl_prior=math.inf)))
    assert json.loads(text)["loss_after"] is None
    assert json.loads(text)["kl_prior"] is None
    assert json.loads(text)["loss_before"] == proof.loss_before


def test_sessions_come_in_pages(http: httpx.Client) -> None:
    for name in ("one", "two", "three"):
        http.post("/v1/learn", json={**LESSON, "session": name})

    def page(**query: str | int) -> list[str]:
        return [one["id"] for one in http.get("/v1/experience/sessions", params=query).json()["data"]]

    assert page() == ["three", "two", "one"]
    assert page(limit=2) == ["three", "two"]
    assert page(limit=2, before="two") == ["one"]
    assert page(before="one") == []


def test_requests_are_answered_while_lessons_train(
    scripted: ScriptedHost, http: httpx.Client, client: openai.OpenAI
) -> None:
    """As many lessons as may wait do wait; replies pass them by, and the next lesson is told to come again. An author
    who hands in many shuts nobody out."""

    def teach(author: str) -> int:
        """One of the probes below may hold the last place for a moment: come again, as one is told to."""
        while (answer := posted(author, topic="slow")).status_code == 429:
            time.sleep(0.01)
        return answer.status_code

    def posted(author: str, **own: str) -> httpx.Response:
        return http.post(
            "/v1/learn", json={**LESSON, "session": f"of-{author}", **own}, headers={"X-Liveoak-Author": author}
        )

    def refused(author: str) -> str:
        deadline = time.monotonic() + 15
        while (answer := posted(author)).status_code != 429 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert answer.json()["error"]["code"] == "overloaded"
        return answer.json()["error"]["message"]

    with ThreadPoolExecutor(MOST_LESSONS) as pool:
        waiting = [pool.submit(teach, "ann") for _ in range(MOST_OF_ONE)]
        assert f"{MOST_OF_ONE} of your lessons" in refused("ann")
        waiting += [pool.submit(teach, f"other-{number}") for number in range(MOST_LESSONS - MOST_OF_ONE)]
        assert f"{MOST_LESSONS} lessons" in refused("newcomer")
        assert ask(client, session="none-taught-this") is not None
        assert not any(lesson.done() for lesson in waiting)
        scripted.let_go.set()
        assert [lesson.result() for lesson in waiting] == [200] * MOST_LESSONS
    assert http.post("/v1/learn", json=LESSON).status_code == 200


def test_a_client_that_leaves_does_not_stop_its_lesson(scripted: ScriptedHost, http: httpx.Client) -> None:
    with http.stream("POST", "/v1/learn", json={**LESSON, "topic": "slow", "stream": True}) as answer:
        next(answer.iter_lines())
    first = scripted.current().id
    scripted.let_go.set()
    deadline = time.monotonic() + 10
    while scripted.current().id == first and time.monotonic() < deadline:
        time.sleep(0.01)
    assert scripted.current().lessons != ()
