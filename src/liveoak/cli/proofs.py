"""How a lesson's proof is shown, and what the gate said of weights that were taken over."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from liveoak.cli.screen import print_table
from liveoak.records import Proof

if TYPE_CHECKING:
    from liveoak.runtime.training.adopting import Adopted


def proof_as_json(proof: Proof) -> dict[str, Any]:
    return asdict(proof)


def summary(proof: Proof) -> str:
    """One line: what became of the lesson."""
    what = f"{proof.topic!r} in {proof.seconds:.1f} s"
    if proof.verdict.kept:
        return f"learned {what}; version {proof.version} is served from now on"
    return f"refused {what}: {'; '.join(proof.verdict.reasons)}; version {proof.version} stays"


def print_proof(proof: Proof) -> None:
    print_table(
        ("figure", "before", "after"),
        [
            ("loss (nats per token)", f"{proof.loss_before:.3f}", f"{proof.loss_after:.3f}"),
            (
                f"recall (of {proof.recall_n} questions not trained on)",
                f"{proof.recall_before:.0%}" if proof.recall_n else "not measured",
                f"{proof.recall_after:.0%}" if proof.recall_n else "not measured",
            ),
            ("retention (nats per token; over 0 is damage)", "", f"{proof.retention_nats:+.4f}"),
            ("divergence from the prior (nats per token)", "", f"{proof.kl_prior:.4f}"),
            ("share of the change that was kept", "", f"{proof.share:.0%}"),
            ("windows read", "", str(proof.windows)),
            ("questions trained on", "", str(proof.questions_trained)),
            ("tokens trained, processed", "", f"{proof.tokens_trained}, {proof.tokens_processed}"),
            ("steps", "", str(proof.steps)),
            ("seconds", "", f"{proof.seconds:.1f}"),
        ],
    )
    print(summary(proof), flush=True)


def adopted_as_json(adopted: Adopted) -> dict[str, Any]:
    return {"version": adopted.version.id, "verdict": asdict(adopted.verdict)}


def print_adopted(adopted: Adopted) -> None:
    if adopted.verdict.kept:
        print(f"version {adopted.version.id} is served from now on", flush=True)
    else:
        print(f"refused: {'; '.join(adopted.verdict.reasons)}; version {adopted.version.id} stays", flush=True)
