"""The story of a real document, for which nobody has written an exam: the gate's own questions judge."""

from __future__ import annotations

from liveoak.lab.demo.client import Client
from liveoak.lab.demo.outcome import Outcome
from liveoak.lab.demo.server import Killable
from liveoak.lab.demo.story import lesson_figures, tell_proof
from liveoak.lab.demo.teller import Teller
from liveoak.lab.exam import exam_prompt
from liveoak.lab.results import figure
from liveoak.records import Effort


def tell_document(topic: str, text: str, effort: Effort, server: Killable, agent: str, teller: Teller) -> Outcome:
    """Study a document, survive a kill, be rolled back, and serve what was learned again."""
    prompts = [exam_prompt(question.format(topic=topic)) for question in _QUESTIONS]
    with Client(server.url, agent) as client:
        root = client.versions()[0]["id"]
        ignorant = [reply.text for reply in client.repeatably.answer(prompts, version=root)]
        teller.chapter("1. It studies the document by itself, and loses the text")
        teller.say(f"{topic}: {len(text.split())} words")
        with teller.bar("studying") as move:
            proof = client.learn({"topic": topic, "source": text, "effort": effort}, move)
        tell_proof(proof, teller)
        replies = [reply.text for reply in client.repeatably.answer(prompts)]
        for prompt, old, new in zip(prompts, ignorant, replies, strict=True):
            teller.say(f"? {prompt}")
            teller.say(f"  before: {' '.join(old.split())}")
            teller.say(f"  after:  {' '.join(new.split())}")
        before = client.logprobs(prompts)
        memory = float(client.health()["peak_memory_mib"])
    teller.chapter("2. The server is killed and started again")
    server.kill()
    with teller.waiting("starting again"):
        server.start()
    with Client(server.url, agent) as client:
        same = sum(a == b for a, b in zip(before, client.logprobs(prompts), strict=True)) / len(before)
        teller.say(f"log-probabilities equal to the last bit in {same:.0%} of {len(before)} replies.")
        teller.chapter("3. The lesson is rolled back, and taken up again")
        client.rollback(root)
        forgot = [reply.text for reply in client.repeatably.answer(prompts)] == ignorant
        teller.say("answers as before the lesson." if forgot else "answers differ from those before the lesson.")
        if proof["verdict"]["kept"]:
            client.promote(proof["version"])
    n = int(proof["recall_n"])
    metrics = {
        "retention_nats": figure("retention_nats", proof["retention_nats"]),
        "learn_seconds": figure("learn_seconds", proof["seconds"]),
        "tokens_trained": figure("tokens_trained", proof["tokens_trained"]),
        "peak_memory_mib": figure("peak_memory_mib", memory),
        "bit_equal": figure("bit_equal", same, n=len(before)),
    }
    arms = {
        "before": {"recall": figure("recall", proof["recall_before"], n=n)},
        "after": {"recall": figure("recall", proof["recall_after"], n=n), **lesson_figures(proof)},
    }
    claims = {
        "the gate kept what it learned": bool(proof["verdict"]["kept"]),
        "it answers more of the gate's questions than before": proof["recall_after"] > proof["recall_before"],
        "after SIGKILL and restart its log-probabilities are equal to the last bit": same == 1.0,
        "after the rollback it answers as before": forgot,
    }
    return Outcome(metrics=metrics, arms=arms, claims=claims, details={"topic": topic})


def converse(server: Killable, agent: str, teller: Teller) -> None:
    """Let whoever sits at the terminal ask, until an empty line."""
    teller.chapter("Ask it something; an empty line ends")
    with Client(server.url, agent) as client:
        while True:
            try:
                question = input("? ").strip()
            except EOFError:
                return
            if not question:
                return
            teller.say(" ".join(client.answer([exam_prompt(question)])[0].text.split()))


_QUESTIONS = (
    "What is {topic} about?",
    "Which names does {topic} mention?",
    "What is the most important point of {topic}?",
)
