"""Each mechanism that keeps a promise is taken away, one at a time, and a named test must turn red.

    python -m tests.chaos.sabotage [mechanism …]

The product has no switch for this: a `sitecustomize.py` that stands only here patches the code as Python starts.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 300


@dataclass(frozen=True)
class Mechanism:
    """How it is taken away, and the test that must notice."""

    take_away: Callable[[], None]
    test: str


def put(place: str, value: Any) -> None:
    """Put something else in the place of `module.name`."""
    module, _, name = place.rpartition(".")
    vars(importlib.import_module(module))[name] = value


def no_fsync() -> None:
    """SQLite commits without waiting for the disk."""
    from py_edge.storage import sqlite

    rest = tuple(each for each in sqlite.SETTINGS if each[0] != "synchronous")
    sqlite.SETTINGS = (*rest, ("synchronous", "0", 0))


def no_sync_of_names() -> None:
    """Folders are never synced, so that what is in them may lose its name."""
    sync = importlib.import_module("py_edge.storage.durable").sync

    def sync_files(path: Path) -> None:
        if not path.is_dir():
            sync(path)

    put("py_edge.storage.durable.sync", sync_files)


def no_early_acknowledgement_guard() -> None:
    """Writers are told before their commit."""
    from py_edge.storage.writer import GroupWriter

    commit = GroupWriter._carry_out

    def settle_first(self: GroupWriter, group: Any) -> None:
        for item in group.items:
            item.future.get_loop().call_soon_threadsafe(
                lambda item=item: item.future.done() or item.future.set_result(item.result)
            )
        time.sleep(0.01)
        commit(self, group)

    GroupWriter._carry_out = settle_first  # type: ignore[method-assign]


def no_inbox_row() -> None:
    """An answer that comes again is taken for a new one."""
    from py_edge.chain import answers
    from py_edge.storage.tables import QUESTIONS

    def take_home(tx: Any, origin: str, answer: Any, now_ms: int) -> bool:
        row = tx.get(QUESTIONS, answer.device, answer.sequence)
        return row is not None and answers.settle(tx, row, answer, now_ms)

    put("py_edge.chain.tier.take_home", take_home)
    put("py_edge.chain.booking.take_home", take_home)
    put("py_edge.chain.answers._says_the_same", lambda before, answer: False)


def no_digest_check() -> None:
    """The digest of a question is believed."""
    from py_edge.records import Question

    Question.check = lambda self, where="": None  # type: ignore[method-assign]


def no_id_check() -> None:
    """An id that comes again with other content is taken for the same question."""
    from py_edge.storage.tables import QUESTIONS

    def seen_before(tx: Any, question: Any) -> Any:
        return tx.get(QUESTIONS, question.device, question.sequence)

    put("py_edge.chain.tier.known_digests", lambda tx, digests: set(digests))
    put("py_edge.chain.inbox.seen_before", seen_before)
    put("py_edge.chain.tier.seen_before", seen_before)


def no_seal() -> None:
    """What a wire has spoilt is believed."""
    from py_edge.chain import seal

    seal.is_whole = lambda seal, wanted: True


def no_lease_expiry() -> None:
    """A lease never ends."""
    put("py_edge.desk.assignment._running", lambda now_ms: (("until_ms", ">", 0), ("until_ms", ">", 0)))


def no_jitter() -> None:
    """Everybody waits equally long."""
    from py_edge.chain import retry

    retry.delay_s = lambda attempt, chance, first_s=retry.FIRST_S: min(
        retry.LONGEST_S, first_s * 2.0 ** min(attempt, 20)
    )


def no_outbox_row() -> None:
    """A question is accepted and never put in the outbox."""
    put("py_edge.chain.outbox.send_later", lambda tx, row, now_ms, kind="question": None)


def no_erasing_above() -> None:
    """An erasure stays where it was asked for."""
    from py_edge.chain import outbox

    send_later = outbox.send_later

    def only_others(tx: Any, row: Any, now_ms: int, kind: str = "question") -> None:
        if not kind.startswith("erase"):
            send_later(tx, row, now_ms, kind)

    outbox.send_later = only_others


def no_overwriting() -> None:
    """SQLite leaves the bytes of what it deletes in free pages."""
    from py_edge.storage import sqlite

    rest = tuple(each for each in sqlite.SETTINGS if each[0] != "secure_delete")
    sqlite.SETTINGS = (*rest, ("secure_delete", "0", 0))


def no_tombstone() -> None:
    """Of an erased question not even its id is kept."""
    from py_edge.chain import erasure
    from py_edge.storage.tables import QUESTIONS

    def erase(tx: Any, device: str, sequence: int, now_ms: int, shred: Any) -> Any:
        done = erasure.erase(tx, device, sequence, now_ms, shred)
        tx.delete(QUESTIONS, ("device", "=", device), ("sequence", "=", sequence))
        return done

    put("py_edge.chain.tier.erase", erase)


def no_hop_limit() -> None:
    """A question that was here before is taken in again."""
    put("py_edge.chain.tier.check_hops", lambda question, name: None)


def no_retry() -> None:
    """A busy parent is taken for one that refuses."""
    from py_edge.chain import retry

    retry.kind_of = lambda response: retry.DONE if response.status < 300 else retry.REFUSED


def no_asking_again() -> None:
    """What a parent forgot is never asked again."""
    put("py_edge.chain.outbox.ask_again", lambda tx, now_ms: 0)


def no_look_at_the_log() -> None:
    """SQLite opens a log whatever stands in it."""
    put("py_edge.storage.sqlite.check_log", lambda path: None)


def no_seal_on_answers() -> None:
    """An answer is believed as the disk gives it."""
    put("py_edge.chain.downstream._seal", lambda body: "")


def no_turns() -> None:
    """Writers of several processes on one PostgreSQL do not wait for each other."""
    from py_edge.storage import postgres

    def begin(self: postgres._PostgresConnection) -> Any:
        self._cursor.execute("BEGIN")
        self._topics = []
        self._transaction = postgres._PostgresTransaction(self._cursor, self._statements)
        return self._transaction

    postgres._PostgresConnection.begin = begin  # type: ignore[method-assign]


def no_watch() -> None:
    """A release is never judged again."""
    from py_edge.retrain.watch import Live

    Live.broken = property(lambda self: False)  # type: ignore[assignment]


EPOCH_OF_ONES_OWN = """
let mine;
const put = IDBObjectStore.prototype.put, get = IDBObjectStore.prototype.get;
IDBObjectStore.prototype.put = function (value, key) { if (key === "epoch") mine ??= value; return put.call(this, value, key); };
IDBObjectStore.prototype.get = function (key) {
  const request = get.call(this, key);
  if (key === "epoch" && mine !== undefined) Object.defineProperty(request, "result", { get: () => mine });
  return request;
};"""


def no_fencing_epoch() -> None:
    """A tab that was overtaken always finds its own epoch."""
    from playwright.sync_api import Browser

    new_context = Browser.new_context

    def with_script(self: Browser, *rest: Any, **options: Any) -> Any:
        context = new_context(self, *rest, **options)
        context.add_init_script(EPOCH_OF_ONES_OWN)
        return context

    Browser.new_context = with_script  # type: ignore[method-assign]


HISTORIES = "tests/chain/test_simulate.py::test_histories_end_well"
ERASING = "tests/chain/test_simulate.py::test_what_is_erased_in_bad_weather_is_gone_everywhere"
MECHANISMS = {
    "fsync": Mechanism(no_fsync, "tests/chaos/test_disk.py::test_every_acknowledgement_follows_a_sync"),
    "fsync-and-power": Mechanism(
        no_fsync, "tests/chaos/test_power.py::test_no_cut_loses_what_was_acknowledged"
    ),
    "names-and-power": Mechanism(
        no_sync_of_names, "tests/chaos/test_power.py::test_no_cut_loses_what_was_acknowledged"
    ),
    "commit-before-acknowledgement": Mechanism(
        no_early_acknowledgement_guard,
        "tests/chaos/test_mechanisms.py::test_nobody_is_told_before_the_commit",
    ),
    "inbox-row": Mechanism(no_inbox_row, HISTORIES),
    "outbox-row": Mechanism(no_outbox_row, HISTORIES),
    "retry": Mechanism(no_retry, HISTORIES),
    "digest-check": Mechanism(
        no_digest_check, "tests/chaos/test_mechanisms.py::test_a_digest_that_is_not_the_contents_is_refused"
    ),
    "seal": Mechanism(no_seal, HISTORIES),
    "id-check": Mechanism(
        no_id_check, "tests/node/test_app.py::test_asking_again_is_harmless_and_other_content_is_refused"
    ),
    "fencing-epoch": Mechanism(
        no_fencing_epoch, "playwright/test_tabs.py::test_an_overtaken_tab_writes_nothing"
    ),
    "lease-expiry": Mechanism(
        no_lease_expiry, "tests/chaos/test_mechanisms.py::test_an_expired_lease_frees_its_task"
    ),
    "asking-again": Mechanism(
        no_asking_again, "tests/chain/test_simulate.py::test_lost_disks_and_other_parents_end_well"
    ),
    "log-check": Mechanism(
        no_look_at_the_log,
        "tests/storage/test_wal.py::test_a_flipped_bit_before_the_last_commit_stops_the_start",
    ),
    "answer-seal": Mechanism(
        no_seal_on_answers, "tests/chain/test_downstream.py::test_a_flipped_bit_never_makes_another_answer"
    ),
    "turns": Mechanism(no_turns, "tests/storage/test_postgres.py::test_a_check_and_its_write_are_one"),
    "jitter": Mechanism(no_jitter, "tests/chaos/test_mechanisms.py::test_a_crowd_disperses"),
    "release-watch": Mechanism(
        no_watch, "tests/retrain/test_watch.py::test_a_version_that_breaks_its_promise_is_taken_back_once"
    ),
    "erasing-above": Mechanism(no_erasing_above, ERASING),
    "overwriting": Mechanism(
        no_overwriting, "tests/node/test_erasure.py::test_an_answered_question_is_erased_at_every_place"
    ),
    "tombstone": Mechanism(no_tombstone, ERASING),
    "hop-limit": Mechanism(
        no_hop_limit,
        "tests/node/test_app.py::test_two_nodes_that_are_each_others_parent_end_a_question_visibly",
    ),
}


def run(mechanism: Mechanism, name: str) -> bool:
    """Run its test, with the mechanism taken away if there is a name; whether it was green."""
    paths = [str(Path(__file__).parent / "sabotaged"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = dict(os.environ)
    if name:
        environment |= {"SABOTAGE": name, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mechanism.test]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if done.returncode not in (0, 1):  # 1: a test failed; all else is trouble with the run
        raise SystemExit(f"{mechanism.test} did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    assert " error" not in done.stdout.splitlines()[-1], done.stdout[-3000:]
    return done.returncode == 0


def main() -> int:
    """Every mechanism, or the named ones; 0 when each test is green with it and red without it."""
    missed, names = 0, sys.argv[1:] or list(MECHANISMS)
    for name in names:
        mechanism = MECHANISMS[name]
        before, after = run(mechanism, ""), run(mechanism, name)
        missed += not before or after
        verdict = "noticed" if before and not after else f"MISSED (with: {before}, without: {after})"
        print(f"{name:30} {verdict:10} {mechanism.test}", flush=True)
    print(f"{len(names) - missed} of {len(names)} mechanisms are noticed when they are missing")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
