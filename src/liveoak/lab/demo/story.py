"""The story of the handbook: asked and ignorant, taught, examined, killed, restarted, rolled back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from liveoak.lab.demo.client import Client
from liveoak.lab.demo.outcome import Outcome
from liveoak.lab.demo.server import Killable
from liveoak.lab.demo.teller import Teller
from liveoak.lab.exam import Sheet, exam_prompt, sit
from liveoak.lab.handbook import Way, fit_context, lesson_of
from liveoak.lab.metrics import metric
from liveoak.lab.results import Figure, figure
from liveoak.records import Effort
from liveoak.worlds import Handbook, make_handbook

_PROBES = 4
"""Replies whose log-probabilities are compared float by float across the restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the story is about. `budget` is the context that the demonstration gives the agent, in tokens."""

    seed: int = 0
    facts: int = 20
    budget: int = 512
    effort: Effort = "high"


def tell_handbook(plan: Plan, server: Killable, agent: str, teller: Teller) -> Outcome:
    """Play the whole story against a started server, which is killed and restarted on the way."""
    book = make_handbook(plan.seed, plan.facts)
    with Client(server.url, agent) as client:
        root = client.versions()[0]["id"]
        sheets = _before(plan, book, client, root, teller)
        learned = _study(plan, book, "learned", client, teller)
        sheets["learned"] = _exam("learned, empty context", book, client, teller)
        teller.marks(sheets["learned"], range(min(4, plan.facts)))
        probes = [exam_prompt(fact.exam_question) for fact in book.facts[:_PROBES]]
        before = client.logprobs(probes)
        memory = float(client.health()["peak_memory_mib"])
    teller.chapter("4. The server is killed and started again")
    teller.say(f"SIGKILL to process {server.pid}: no time to save anything.")
    server.kill()
    with teller.waiting("starting again"):
        server.start()
    with Client(server.url, agent) as client:
        after = client.logprobs(probes)
        same = sum(one == other for one, other in zip(before, after, strict=True)) / len(before)
        sheets["after_restart"] = _exam("after the restart", book, client, teller)
        teller.say(f"log-probabilities equal to the last bit in {same:.0%} of {len(before)} replies.")
        teller.chapter("5. The lesson is rolled back")
        client.rollback(root)
        sheets["after_rollback"] = _exam("after the rollback", book, client, teller)
        teller.chapter("6. A person teaches it: one question and answer for each fact, beside the text")
        taught = _study(plan, book, "taught", client, teller)
        sheets["taught"] = _exam("taught, empty context", book, client, teller)
        memory = max(memory, float(client.health()["peak_memory_mib"]))
    return _outcome(sheets, learned, taught, same, memory)


def _before(plan: Plan, book: Handbook, client: Client, root: str, teller: Teller) -> dict[str, Sheet]:
    teller.chapter("1. A question about a firm that does not exist")
    closed = sit(client.repeatably, book.facts, version=root)
    teller.exchange(closed.marks[0])
    teller.chapter("2. Its handbook, and the exam before any study")
    teller.say(f"Handbook of {book.firm}: {len(book.text.split())} words, {len(book.facts)} facts to be asked about.")
    teller.say("Every question is worded unlike the text; replies are greedy and short; the prior is frozen.")
    teller.score("closed book", closed)
    whole = sit(client, book.facts, context=book.text, version=root)
    teller.score("whole text in context", whole)
    context = fit_context(client, book, plan.budget, root)
    cut = sit(client, book.facts, context=context, version=root)
    share = len(context) / len(book.text)
    teller.score(f"{share:.0%} of the text, what {plan.budget} tokens hold", cut)
    return {"frozen": closed, "in_context": whole, "truncated_context": cut}


def _study(plan: Plan, book: Handbook, way: Way, client: Client, teller: Teller) -> dict[str, Any]:
    if way == "learned":
        teller.chapter("3. It studies the handbook by itself, and loses the text")
    lesson = lesson_of(book, way, plan.effort, "unused")
    body = {
        "topic": lesson.topic,
        "source": lesson.source,
        "questions": [{"question": pair.question, "answer": pair.answer} for pair in lesson.questions],
        "effort": lesson.effort,
    }
    with teller.bar("studying") as move:
        proof = client.learn(body, move)
    tell_proof(proof, teller)
    return proof


def tell_proof(proof: dict[str, Any], teller: Teller) -> None:
    """What a lesson did, in two lines."""
    verdict = proof["verdict"]
    decision = f"kept as {proof['version']}" if verdict["kept"] else f"refused: {'; '.join(verdict['reasons'])}"
    teller.say(
        f"{proof['seconds']:.1f} s, {proof['tokens_trained']} tokens trained in {proof['steps']} steps,"
        f" loss {proof['loss_before']:.2f} -> {proof['loss_after']:.2f}"
    )
    teller.say(
        f"the gate's own questions: {proof['recall_before']:.0%} -> {proof['recall_after']:.0%} of {proof['recall_n']},"
        f" retention {proof['retention_nats']:+.3f} nats/token; {decision}"
    )


def _exam(name: str, book: Handbook, client: Client, teller: Teller) -> Sheet:
    # Empty-context exams are compared over restart and rollback, reply by reply.
    sheet = sit(client.repeatably, book.facts)
    teller.score(name, sheet)
    return sheet


def _outcome(
    sheets: dict[str, Sheet], learned: dict[str, Any], taught: dict[str, Any], same: float, memory: float
) -> Outcome:
    n = len(sheets["frozen"].marks)
    metrics = {f"recall_{name}": figure(f"recall_{name}", sheet.recall, n=n) for name, sheet in sheets.items()}
    metrics |= {
        "retention_nats": figure("retention_nats", learned["retention_nats"]),
        "learn_seconds": figure("learn_seconds", learned["seconds"]),
        "tokens_trained": figure("tokens_trained", learned["tokens_trained"]),
        "peak_memory_mib": figure("peak_memory_mib", memory),
        "bit_equal": figure("bit_equal", same, n=_PROBES),
    }
    arms = {name: _arm(sheet) for name, sheet in sheets.items()}
    for name, proof in (("learned", learned), ("taught", taught)):
        arms[name] |= lesson_figures(proof)
    claims = {
        "the gate kept what it learned": bool(learned["verdict"]["kept"]),
        "it answers more than before": sheets["learned"].recall > sheets["frozen"].recall,
        "after SIGKILL and restart it gives the same answers": sheets["after_restart"].replies
        == sheets["learned"].replies,
        "after SIGKILL and restart its log-probabilities are equal to the last bit": same == 1.0,
        "after the rollback it gives the answers that it gave before": sheets["after_rollback"].replies
        == sheets["frozen"].replies,
        "what it learned by itself reached its mark": metric("recall_learned").met(sheets["learned"].recall) is True,
    }
    details = {
        "exam": [
            {"question": mark.question, "answer": mark.answer, **{name: s.marks[i].reply for name, s in sheets.items()}}
            for i, mark in enumerate(sheets["frozen"].marks)
        ]
    }
    return Outcome(metrics=metrics, arms=arms, claims=claims, details=details)


def lesson_figures(proof: dict[str, Any]) -> dict[str, Figure]:
    """What a lesson cost and did, as an arm's figures."""
    return {
        "retention_nats": figure("retention_nats", proof["retention_nats"]),
        "kl_prior": figure("kl_prior", proof["kl_prior"]),
        "learn_seconds": figure("learn_seconds", proof["seconds"]),
        "tokens_trained": figure("tokens_trained", proof["tokens_trained"]),
        "tokens_processed": figure("tokens_processed", proof["tokens_processed"]),
        "kept": figure("kept", float(proof["verdict"]["kept"])),
    }


def _arm(sheet: Sheet) -> dict[str, Figure]:
    n = len(sheet.marks)
    return {
        "recall": figure("recall", sheet.recall, n=n),
        "f1": figure("f1", sheet.f1, n=n),
        "prompt_tokens": figure("prompt_tokens", sheet.prompt_tokens, n=n),
        "exam_seconds": figure("exam_seconds", sheet.seconds),
    }
