"""Authors over HTTP: by header or by field, and what is refused to whom."""

from __future__ import annotations

import httpx
import pytest

from liveoak.serving.scripted import IGNORANCE, ScriptedHost

QUESTION = "Who has the key?"
TAUGHT = {"topic": "keys", "questions": [{"question": QUESTION, "answer": "Ada."}]}
EVE = {"X-Liveoak-Author": "eve"}


@pytest.fixture
def learned(http: httpx.Client) -> str:
    """The version of what zoë's session learned."""
    answer = http.post("/v1/learn", json={**TAUGHT, "session": "mine", "user": "zoë"})
    return answer.json()["version"]


def ask(http: httpx.Client, model: str, **fields: object) -> httpx.Response:
    messages = [{"role": "user", "content": QUESTION}]
    return http.post("/v1/chat/completions", json={"model": model, "messages": messages, **fields})


def test_an_author_is_the_same_by_header_and_by_field(http: httpx.Client, learned: str) -> None:
    header = {"X-Liveoak-Author": "zoë".encode()}
    assert http.get("/v1/versions", params={"session": "mine"}, headers=header).json()["current"] == learned
    assert http.get(f"/v1/versions/{learned}", headers=header).json()["session"] == "mine"
    assert http.get(f"/v1/models/agent@{learned}", headers=header).status_code == 200
    reply = ask(http, f"agent@{learned}", user="zoë").json()
    assert reply["choices"][0]["message"]["content"] == "Ada."


@pytest.mark.parametrize("headers", [EVE, {}])
def test_a_sessions_versions_are_404_to_others(
    http: httpx.Client, scripted: ScriptedHost, learned: str, headers: dict[str, str]
) -> None:
    first = scripted.current().id
    tried = [
        http.get("/v1/versions", params={"session": "mine"}, headers=headers),
        http.get(f"/v1/versions/{learned}", headers=headers),
        http.get(f"/v1/models/agent@{learned}", headers=headers),
        http.post("/v1/versions/rollback", json={"session": "mine"}, headers=headers),
        http.post("/v1/versions/rollback", json={"to": first, "session": "mine"}, headers=headers),
        http.post("/v1/versions/forget", json={"session": "mine"}, headers=headers),
        http.post("/v1/learn", json={**TAUGHT, "session": "mine"}, headers=headers),
        ask(http, f"agent@{learned}", **({"user": "eve"} if headers else {})),
        ask(http, "agent", session="mine", **({"user": "eve"} if headers else {})),
    ]
    if not headers:
        tried.append(http.post("/v1/versions/promote", json={"version": learned}))
        tried.append(http.post("/v1/versions/consolidate", json={"session": "mine"}))
    for answer in tried:
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), answer.request.url
    assert scripted.current("mine", "zoë").id == learned


def test_what_everybody_is_served_is_403_to_who_may_not_teach(http: httpx.Client, scripted: ScriptedHost) -> None:
    version = http.post("/v1/learn", json=TAUGHT).json()["version"]
    first = scripted.versions()[0].id
    for path, body in (
        ("/v1/learn", TAUGHT),
        ("/v1/versions/rollback", {}),
        ("/v1/versions/promote", {"version": first}),
        ("/v1/versions/consolidate", {"session": "any"}),
    ):
        answer = http.post(path, json={**body, "user": "eve"})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["type"]) == (403, "not_allowed", "invalid_request_error"), path
        assert "'eve'" in error["message"]
    assert scripted.current().id == version
    assert http.get("/v1/lessons", headers=EVE).status_code == 403
    assert http.post("/v1/versions/rollback", json={"user": "local"}).json()["id"] == first
    assert ask(http, "agent").json()["choices"][0]["message"]["content"] == IGNORANCE


def test_the_record_is_read_and_erased_by_its_author_and_teachers(http: httpx.Client, scripted: ScriptedHost) -> None:
    for author in ("ann", "eve"):
        ask(http, "agent", user=author, session=f"of-{author}")
    path = "/v1/experience/sessions"
    assert [one["id"] for one in http.get(path, headers=EVE).json()["data"]] == ["of-eve"]
    assert len(http.get(path).json()["data"]) == 2
    assert http.get(f"{path}/of-ann", headers=EVE).status_code == 404
    assert http.get("/v1/lessons", params={"session": "of-ann"}, headers=EVE).status_code == 404
    assert http.get("/v1/lessons", params={"session": "of-eve"}, headers=EVE).status_code == 200
    assert http.delete(f"{path}/of-ann", headers=EVE).status_code == 404
    assert set(scripted.experience.known_sessions) == {"of-ann", "of-eve"}
    assert http.delete(f"{path}/of-eve", headers=EVE).status_code == 200
    assert http.delete(f"{path}/of-ann").status_code == 200


def test_two_names_for_one_author_are_refused(http: httpx.Client) -> None:
    answer = http.post("/v1/versions/rollback", json={"user": "ann"}, headers=EVE)
    assert answer.status_code == 400
    assert "more than one author" in answer.json()["error"]["message"]


def test_notes_are_told_in_replies_and_in_the_record(http: httpx.Client) -> None:
    def say(text: str, **fields: object) -> httpx.Response:
        messages = [{"role": "user", "content": text}]
        return http.post(
            "/v1/chat/completions", json={"model": "agent", "messages": messages, "session": "s", **fields}
        )

    about = say("note: Ada has the key.").json()["liveoak"]
    (note,) = about["noted"]
    assert (note["text"], note["session"], about["not_noted"]) == ("Ada has the key.", "s", [])
    refused = say("note: too much").json()["liveoak"]
    assert refused["noted"] == []
    assert "300 tokens" in refused["not_noted"][0]["error"]
    forced = {"type": "function", "function": {"name": "note"}}
    choice = say("Bo is away.", tool_choice=forced).json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "note"
    streamed = say("note: It is late.", stream=True).text
    assert '"event":"noted"' in streamed
    record = http.get("/v1/experience/sessions/s").json()
    assert [one["text"] for one in record["notes"]] == ["Ada has the key.", "Bo is away.", "It is late."]
    assert record["notes"][0] == note
