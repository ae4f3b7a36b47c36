"""The chain: what is served, the way on and the way back, and what is left when a process dies in between."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_disk import mounted

from liveoak.adapters import Bank, Slot
from liveoak.engine import Engine
from liveoak.engine import Sequence as Tokens
from liveoak.errors import Conflict, NotFound, StorageError, UserError
from liveoak.experience import Experience
from liveoak.gate import Chain
from liveoak.gate import chain as chain_module
from liveoak.gate.shelf import size_of
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import Example
from liveoak.learning.update import Update
from liveoak.records import Lesson, Session, Verdict, Version

KEPT = Verdict(kept=True, reasons=(), probes=())
PRIOR = "f" * 64


@pytest.fixture
def experience(tmp_path: Path) -> Iterator[Experience]:
    with Experience(tmp_path / "experience.db") as opened:
        for name in ("s", "t"):
            opened.add_session(Session(id=name, agent="oak", author="ann", created=1.0))
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "versions"


@pytest.fixture
def reopen(engine: Engine, experience: Experience, folder: Path) -> Callable[..., Chain]:
    clock = itertools.count(10.0)

    def opened(agent: str = "oak", prior: str = PRIOR, room: int = 2**20) -> Chain:
        return Chain(experience, engine.bank, folder, agent=agent, prior=prior, clock=lambda: next(clock), room=room)

    return opened


@pytest.fixture
def chain(reopen: Callable[..., Chain]) -> Chain:
    return reopen()


@pytest.fixture
def learn(chain: Chain, engine: Engine, experience: Experience) -> Callable[..., Version]:
    """One step on what is served, kept."""
    numbers = itertools.count(1)

    def learned(session: str | None = None, lesson: str | None = None) -> Version:
        lesson = lesson or f"l{next(numbers)}"
        experience.add_lesson(Lesson(id=lesson, topic="t"), session=session, author="ann", created=2.0)
        parent = chain.current(session)
        slot = stepped(engine, chain.draft(parent, fresh))
        return chain.keep(slot, parent, session=session, lesson=lesson, verdict=KEPT)

    return learned


def fresh(bank: Bank) -> Slot:
    return bank.new_slot(rank=2)


def stepped(engine: Engine, slot: Slot, rate: float = 1e-2) -> Slot:
    example = Example(signal="imitation", ids=(1, 2, 3, 4), wanted=(1, 2, 3), credit=(1.0, 1.0, 1.0), targets=(9, 8, 7))
    update = Update(engine, slot, {}, AdamSettings())
    for _ in range(2):
        update.step([example], rate)
    slot.freeze()
    return slot


def logits(engine: Engine, slot: Slot | None) -> torch.Tensor:
    with torch.inference_mode():
        return engine.logits([Tokens(ids=(5, 6, 7, 8), slot=slot, wanted=(0, 1, 2, 3))]).clone()


def test_the_first_version_is_the_prior_itself(chain: Chain):
    first = chain.current()
    assert (first.parent, first.session, first.lessons, first.verdict) == (None, None, (), None)
    assert first.prior == PRIOR
    assert chain.slot(first) is None
    assert chain.line() == (first,)
    assert chain.current("s") == first


def test_a_kept_candidate_is_served_and_names_its_lineage(chain: Chain, learn: Callable[..., Version]):
    first = chain.current()
    one = learn()
    two = learn()
    assert chain.current() == two
    assert chain.line() == (first, one, two)
    assert (two.parent, two.lessons, two.verdict) == (one.id, ("l1", "l2"), KEPT)
    assert chain.current("s") == two, "a session without weights of its own is served by the agent's"


def test_training_goes_on_from_weights_and_optimizer_state(chain: Chain, engine: Engine, learn: Callable[..., Version]):
    one = learn()
    draft = chain.draft(one, fresh)
    assert draft.steps == 2
    uninterrupted = stepped(engine, stepped(engine, engine.bank.new_slot(rank=2)))
    assert torch.equal(stepped(engine, draft).master, uninterrupted.master)


def test_a_draft_does_not_change_what_is_served(chain: Chain, engine: Engine, learn: Callable[..., Version]):
    one = learn()
    before = logits(engine, chain.slot(one))
    stepped(engine, chain.draft(one, fresh), rate=1.0)
    assert torch.equal(before, logits(engine, chain.slot(one)))


def test_a_restart_serves_the_same_bits(
    chain: Chain, engine: Engine, learn: Callable[..., Version], reopen: Callable[..., Chain]
):
    learn()
    of_session = learn("s")
    before = [logits(engine, chain.slot(chain.current(session))) for session in (None, "s")]
    assert not torch.equal(*before)
    again = reopen()
    assert again.current("s") == of_session
    assert again.line() == chain.line()
    for session, expected in zip((None, "s"), before, strict=True):
        assert torch.equal(logits(engine, again.slot(again.current(session))), expected)


def test_sessions_fork_and_stay_apart(chain: Chain, learn: Callable[..., Version]):
    agents = learn()
    forked = learn("s")
    assert (forked.parent, forked.session) == (agents.id, "s")
    assert chain.current() == chain.current("t") == agents
    later = learn()
    assert chain.current("s") == forked, "a fork does not follow"
    assert chain.current("t") == later
    assert chain.forget("s") == later
    assert chain.current("s") == later
    assert chain.get(forked.id) == forked, "forgotten, not lost"


def test_rollback_and_forward_again(chain: Chain, learn: Callable[..., Version]):
    first, one, two = chain.current(), learn(), learn()
    assert chain.rollback(None, None) == one
    assert chain.rollback(None, None) == first
    with pytest.raises(UserError, match="nothing to roll back to"):
        chain.rollback(None, None)
    assert chain.rollback(two.id, None) == two
    assert chain.current() == two
    branch = learn("s")
    assert chain.rollback(None, "s") == two
    assert chain.current("s") == two
    assert chain.rollback(branch.id, "s") == branch


def test_promote_makes_a_sessions_version_the_agents(chain: Chain, learn: Callable[..., Version]):
    forked = learn("s")
    assert chain.promote(forked.id) == forked
    assert chain.current() == chain.current("t") == forked
    assert learn().parent == forked.id


def test_versions_that_are_not_served(chain: Chain, experience: Experience, learn: Callable[..., Version]):
    with pytest.raises(NotFound, match="'nonsense' is not known; `liveoak versions`"):
        chain.get("nonsense")
    refused = replace(
        chain.current(),
        id="refused",
        parent=chain.current().id,
        verdict=Verdict(kept=False, reasons=("bad",), probes=()),
    )
    experience.add_version(refused)
    with pytest.raises(NotFound, match="refused by the gate"):
        chain.get("refused")
    experience.add_version(replace(refused, id="strange", agent="elm", verdict=KEPT))
    with pytest.raises(NotFound, match="belongs to agent 'elm'"):
        chain.get("strange")
    gone = learn()
    chain.retire((gone.id,), "because")
    for move in (lambda: chain.get(gone.id), lambda: chain.promote(gone.id), lambda: chain.rollback(gone.id, None)):
        with pytest.raises(NotFound, match="was retired: because"):
            move()
    with pytest.raises(NotFound):
        chain.forget("no such session")


def test_retiring_falls_back_and_removes_the_weights(chain: Chain, folder: Path, learn: Callable[..., Version]):
    first, one, two = chain.current(), learn(), learn()
    of_session = learn("s")
    chain.slot(two)
    chain.retire((one.id, two.id), "erased")
    assert chain.current() == first
    assert chain.current("s") == of_session, "not retired, whatever its parents are"
    assert chain.line("s") == (first, one, two, of_session)
    assert sorted(path.name for path in folder.iterdir()) == [of_session.id]
    chain.retire((one.id, two.id), "again")
    with pytest.raises(NotFound, match="erased"):
        chain.get(two.id)


def test_a_session_whose_weights_are_retired_follows_the_agent_again(chain: Chain, learn: Callable[..., Version]):
    learn()
    first_fork, second_fork = learn("s"), learn("s")
    chain.retire((second_fork.id,), "erased")
    assert chain.current("s") == first_fork
    chain.retire((first_fork.id,), "erased")
    assert chain.current("s") == chain.current()
    later = learn()
    assert chain.current("s") == later, "it follows what the agent learns from now on"


def test_another_prior_is_a_conflict(chain: Chain, reopen: Callable[..., Chain]):
    with pytest.raises(Conflict, match="another prior"):
        reopen(prior="0" * 64)
    assert reopen(agent="elm", prior="0" * 64).current().prior == "0" * 64
    assert reopen().current() == chain.current()


def test_ids_name_content(chain: Chain, engine: Engine, experience: Experience, learn: Callable[..., Version]):
    first, one = chain.current(), learn()
    ids = {one.id}
    for lesson, rate in (("other", 1e-2), ("third", 2e-2)):
        experience.add_lesson(Lesson(id=lesson, topic="t"), session=None, author="ann", created=2.0)
        chain.rollback(first.id, None)
        slot = stepped(engine, chain.draft(first, fresh), rate)
        ids.add(chain.keep(slot, first, session=None, lesson=lesson, verdict=KEPT).id)
    assert len(ids) == 3
    assert all(len(id) == 12 and int(id, 16) >= 0 for id in ids)


def test_the_same_content_is_the_same_version(
    engine: Engine, reopen: Callable[..., Chain], tmp_path: Path, experience: Experience
):
    """Elsewhere and later: the id hangs on weights, parent, prior and lessons alone."""
    with Experience(tmp_path / "elsewhere.db") as other:
        twin = Chain(other, engine.bank, tmp_path / "elsewhere", agent="oak", prior=PRIOR, clock=lambda: 99.0)
        found: list[Version] = []
        for record, chain in ((experience, reopen()), (other, twin)):
            record.add_lesson(Lesson(id="l", topic="t"), session=None, author="ann", created=2.0)
            parent = chain.current()
            slot = stepped(engine, chain.draft(parent, fresh))
            found.append(chain.keep(slot, parent, session=None, lesson="l", verdict=KEPT))
    assert found[0].id == found[1].id
    assert found[0].created != found[1].created


def test_a_rollback_during_a_lesson_is_not_overruled(
    chain: Chain, engine: Engine, experience: Experience, folder: Path, learn: Callable[..., Version]
):
    first, one = chain.current(), learn()
    experience.add_lesson(Lesson(id="late", topic="t"), session=None, author="ann", created=2.0)
    slot = stepped(engine, chain.draft(one, fresh))
    chain.rollback(None, None)
    with pytest.raises(Conflict, match="rolled back or replaced meanwhile"):
        chain.keep(slot, one, session=None, lesson="late", verdict=KEPT)
    assert chain.current() == first
    assert [path.name for path in folder.iterdir()] == [one.id]


def test_forgetting_during_a_sessions_lesson_is_not_overruled_but_the_agents_progress_is_no_obstacle(
    chain: Chain, engine: Engine, experience: Experience, learn: Callable[..., Version]
):
    forked = learn("s")
    experience.add_lesson(Lesson(id="late", topic="t"), session="s", author="ann", created=2.0)
    slot = stepped(engine, chain.draft(forked, fresh))
    chain.forget("s")
    with pytest.raises(Conflict):
        chain.keep(slot, forked, session="s", lesson="late", verdict=KEPT)
    agents = chain.current()
    slot = stepped(engine, chain.draft(agents, fresh))
    learn()
    kept = chain.keep(slot, agents, session="s", lesson="late", verdict=KEPT)
    assert chain.current("s") == kept


def test_a_lesson_erased_while_it_was_studied_leaves_no_weights(
    chain: Chain, engine: Engine, experience: Experience, folder: Path
):
    experience.add_lesson(Lesson(id="late", topic="t"), session="s", author="ann", created=2.0)
    parent = chain.current("s")
    slot = stepped(engine, chain.draft(parent, fresh))
    experience.erase("s")
    with pytest.raises(NotFound, match="erased"):
        chain.keep(slot, parent, session="s", lesson="late", verdict=KEPT)
    assert list(folder.iterdir()) == []


def test_what_cannot_be_written_is_not_served(
    chain: Chain, folder: Path, learn: Callable[..., Version], monkeypatch: pytest.MonkeyPatch
):
    one = learn()

    def full(slot: Slot, folder: Path) -> None:
        raise StorageError("disk full")

    monkeypatch.setattr(chain_module, "save_snapshot", full)
    with pytest.raises(StorageError):
        learn()
    assert chain.current() == one
    assert [path.name for path in folder.iterdir()] == [one.id]


def test_a_full_disk_takes_no_version_and_room_makes_it_good(
    reopen: Callable[..., Chain], engine: Engine, experience: Experience, folder: Path
):
    """Versions lie on a small file system, which has no room for one more."""
    with mounted(folder, 2) as disk:
        chain = reopen()
        experience.add_lesson(Lesson(id="l1", topic="t"), session=None, author="ann", created=2.0)
        parent = chain.current()
        slot = stepped(engine, chain.draft(parent, fresh))
        filler = disk / "filler"
        filler.write_bytes(b"x" * ((2 << 20) - 20_000))
        with pytest.raises(StorageError):
            chain.keep(slot, parent, session=None, lesson="l1", verdict=KEPT)
        assert chain.current() == parent
        assert list(disk.iterdir()) == [filler]
        filler.unlink()
        kept = chain.keep(slot, parent, session=None, lesson="l1", verdict=KEPT)
        assert reopen().current() == kept


def test_a_start_finishes_what_a_killed_process_began(
    chain: Chain,
    experience: Experience,
    folder: Path,
    learn: Callable[..., Version],
    reopen: Callable[..., Chain],
):
    """Killed between the erasure and the retirement, between weights and record, and in the middle of weights."""
    agents = learn()
    learned = learn("s")
    chain.promote(learned.id)
    experience.erase("s")
    (folder / "0123456789ab").mkdir()
    (folder / ".0123456789ab.draft-1").mkdir()
    (folder / "somebody's notes").mkdir()
    again = reopen()
    assert again.current() == agents
    with pytest.raises(NotFound, match="erased"):
        again.get(learned.id)
    assert sorted(path.name for path in folder.iterdir()) == sorted([agents.id, "somebody's notes"])


def test_an_agent_mends_nothing_of_another(
    chain: Chain, experience: Experience, folder: Path, learn: Callable[..., Version], reopen: Callable[..., Chain]
):
    one = learn()
    reopen(agent="elm")
    assert [path.name for path in folder.iterdir()] == [one.id]
    assert chain.current() == one


def test_what_was_never_proved_is_retired(chain: Chain, learn: Callable[..., Version]):
    one = learn(lesson="proved")
    learn(lesson="unproved")
    chain.retire_unproven("unproved")
    assert chain.current() == one
    chain.retire_unproven("never kept")
    assert chain.current() == one


def test_only_so_many_versions_stay_in_memory(
    chain: Chain,
    engine: Engine,
    learn: Callable[..., Version],
    reopen: Callable[..., Chain],
    monkeypatch: pytest.MonkeyPatch,
):
    versions = [learn() for _ in range(3)]
    slot = chain.slot(versions[0])
    assert slot is not None
    chain = reopen(room=2 * size_of(slot))
    del slot
    loads: list[str] = []
    real = chain_module.load_snapshot

    def counted(bank: object, folder: Path, **given: object) -> Slot:
        loads.append(folder.name)
        return real(bank, folder, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(chain_module, "load_snapshot", counted)
    a, b, c = versions
    first = chain.slot(a)
    assert chain.slot(a) is first
    chain.slot(b)
    chain.slot(a)
    chain.slot(c)
    assert chain.slot(a) is first, "the one used longest ago went"
    chain.slot(b)
    assert loads == [a.id, b.id, c.id, b.id]
    assert torch.equal(logits(engine, chain.slot(c)), logits(engine, chain.draft(c, fresh)))


def test_threads_may_ask_for_slots_at_once(learn: Callable[..., Version], reopen: Callable[..., Chain]):
    versions = [learn() for _ in range(3)]
    chain = reopen(room=0)
    faults: list[Exception] = []

    def ask(offset: int) -> None:
        try:
            for place in range(30):
                assert chain.slot(versions[(place + offset) % 3]) is not None
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=ask, args=(offset,)) for offset in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
