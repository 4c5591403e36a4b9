"""I6: what was logged stays as it was; who tampers without the key is found, who only works never is."""

import logging
import random
import threading
import time
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.forms.models import model_to_dict

from accounts.models import Account, User
from accounts.tests.factories import complete_onboarding, make_account, make_contact
from lifecycle import clock
from lifecycle.api.tests.calling import NOW, at_once, settled
from lifecycle.change import change
from lifecycle.events import seal as chain
from lifecycle.events.models import SIGNED, Event, EventHead, EventPersonal, EventSeal, EventSeq
from lifecycle.events.seal import Head, audit_verify, seal
from lifecycle.tests.servers import eventually

pytestmark = pytest.mark.django_db(transaction=True)  # what has not committed has no number and no seal
SEED, TIMES = 36, 200
LOGS = (Event, EventSeq, EventSeal)
TABLES = [model._meta.db_table for model in LOGS]


def verify(*heads):
    return list(audit_verify(heads))


def sealed_now(now=NOW):
    settled()
    seal(now=now)


def head():
    row = EventHead.objects.get()
    return Head(row.seq, row.hash)


@pytest.fixture
def book(people):
    """A log of some hundred events, all sealed, personal values among them."""
    account = make_account(csm=people.alice, service_level="premium")
    complete_onboarding(account, on=date(2026, 3, 2))
    for _ in range(3):
        make_contact(make_account(csm=people.bob))
    sealed_now()
    assert EventSeal.objects.count() == Event.objects.count() > 30
    return account


# --- sealing


def test_every_column_of_an_event_is_signed_or_sealed():
    covered = {*SIGNED, "id", "signature"}
    assert {field.attname for field in Event._meta.concrete_fields} == covered
    assert {field.attname for field in EventSeq._meta.concrete_fields} == {"seq", "event_id"}


def test_each_event_is_sealed_once_over_the_one_before(book):
    links = list(EventSeal.objects.order_by("event__numbered__seq").values_list("prev", "hash"))
    assert [prev for prev, _ in links] == [chain.START, *(link for _, link in links[:-1])]
    assert head() == Head(len(links), links[-1][1])
    assert seal(now=NOW) == 0
    assert verify() == []


def test_sealers_at_once_make_one_chain(book):
    for _ in range(6):
        make_account()
    settled()
    at_once([lambda: seal(now=NOW)] * 6)
    assert EventSeal.objects.count() == Event.objects.count()
    assert verify() == []


def test_more_than_one_batch_is_sealed_in_one_run(book, monkeypatch):
    monkeypatch.setattr(chain, "BATCH", 7)
    make_account()
    sealed_now()
    assert EventSeal.objects.count() == Event.objects.count()
    assert verify() == []


def test_the_head_goes_to_the_log_once_a_day(book, caplog):
    caplog.set_level(logging.INFO, logger=chain.__name__)
    for hours in (0, 8, 9, 23, 33):  # NOW is 15:00, so that 9 and 33 are midnights
        make_account()
        sealed_now(now=NOW + timedelta(hours=hours))
        if hours in (9, 33):
            assert caplog.records[-1].msg["head"] == str(head())
    told = [record.msg for record in caplog.records if record.msg["event"] == "audit_head"]
    assert len(told) == 2


@pytest.mark.servers
def test_the_sending_loop_seals_and_tells_the_head(people, spawn):
    make_account()
    loop = spawn("manage.py", "dispatch")
    eventually(lambda: EventHead.objects.filter(seq=Event.objects.count()).exists())
    assert verify() == []
    loop.says(f'"head": "{head()}"')


@pytest.mark.servers
def test_beat_and_worker_seal(people, worker, beat):
    make_account()
    eventually(lambda: EventHead.objects.filter(seq=Event.objects.count()).exists())
    assert verify() == []


# --- the log refuses to be changed


@pytest.mark.parametrize("model", LOGS)
def test_rows_of_the_log_are_neither_changed_nor_deleted(book, model):
    before = list(model.objects.order_by("pk").values())
    name = "policy" if model is Event else model._meta.pk.name
    for act in (
        lambda: model.objects.update(**{name: F(name) + 1}),
        lambda: model.objects.filter(pk=1).update(**{name: F(name)}),
        lambda: model.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError, match="is insert only"), transaction.atomic():
            act()
    assert list(model.objects.order_by("pk").values()) == before


@pytest.mark.postgres
@pytest.mark.parametrize("table", TABLES)
def test_the_log_is_not_emptied(book, table):
    with pytest.raises(DatabaseError, match="is insert only"), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("table", TABLES)
def test_a_missing_or_disabled_trigger_is_found(book, table):
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            names = [f"{table}_insert_only"]
        else:
            names = [f"{table}_no_delete", f"{table}_no_update"]
            for name in names:
                cursor.execute(f"DROP TRIGGER {name}")
    assert verify() == [
        f"I6: the log may be changed: its trigger {name} is missing or switched off" for name in names
    ]


# --- two hundred tamperings


@contextmanager
def triggers_off():
    """What somebody with the database's password can do. Afterwards all looks as before."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
            yield
            cursor.execute("SET LOCAL session_replication_role = origin")
        else:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            for name, _ in triggers:
                cursor.execute(f"DROP TRIGGER {name}")
            yield
            for _, sql in triggers:
                cursor.execute(sql)


def some(dice, model=Event):
    return dice.choice(list(model.objects.order_by("pk")))


def values_of(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def forged(event, dice):
    """A likely event of one's own making."""
    values = values_of(event) | {"id": None, "type": "account.deleted", "data": {"id": dice.randrange(9)}}
    return Event.objects.create(**values)


def drop(*events):
    for model, key in ((EventSeal, "event"), (EventSeq, "event"), (EventPersonal, "event"), (Event, "pk")):
        model.objects.filter(**{f"{key}__in": [event.pk for event in events]})._raw_delete("default")


def numbered(dice):
    return list(EventSeq.objects.order_by("seq").select_related("event"))


def edit(dice):
    event = some(dice)
    name = dice.choice((*SIGNED, "signature"))
    old = getattr(event, name)
    choices = {
        "at": event.at + timedelta(microseconds=dice.choice((-1, 1, 10**6))),
        "actor_id": None if old else User.objects.first().pk,
        "via": "task" if old != "task" else "rule",
        "account_id": None if old else Account.objects.first().pk,
        "changed": {**event.changed, "mrr_cents": [1, 2]},
        "data": {**event.data, "id": -1},
    }
    new = choices.get(name, old + 1 if isinstance(old, int) else f"{old}x"[-60:])
    Event.objects.filter(pk=event.pk).update(**{name: new})


def edit_a_seal(dice):
    row, name = some(dice, EventSeal), dice.choice(("prev", "hash"))
    EventSeal.objects.filter(pk=row.pk).update(**{name: dice.randbytes(32).hex()})


def edit_a_personal_value(dice):
    EventPersonal.objects.filter(pk=some(dice, EventPersonal).pk).update(value="mallory@example.com")


def delete(dice):
    drop(some(dice))


def delete_and_close_the_gap(dice):
    """Rows renumbered and the link mended, as far as one can without the key."""
    rows = numbered(dice)
    gone = dice.randrange(len(rows) - 1)
    before, after = rows[gone].event.sealed.prev, rows[gone + 1].event.sealed.pk
    drop(rows[gone].event)
    EventSeal.objects.filter(pk=after).update(prev=before)
    for row in rows[gone + 1 :]:
        EventSeq.objects.filter(pk=row.seq).update(seq=row.seq - 1)


def delete_a_seal_or_a_number(dice):
    model = dice.choice((EventSeal, EventSeq))
    model.objects.filter(pk=some(dice, model).pk)._raw_delete("default")


def insert(dice):
    """One that waits to be numbered and sealed as if just written."""
    forged(some(dice), dice)


def insert_a_copy(dice):
    Event.objects.create(**values_of(some(dice)) | {"id": None})


def insert_without_a_signature(dice):
    Event.objects.create(**values_of(some(dice)) | {"id": None, "signature": ""})


def insert_at_the_end(dice):
    event, end = forged(some(dice), dice), head()
    EventSeq.objects.create(seq=end.seq + 1, event=event)
    EventSeal.objects.create(event=event, prev=end.hash, hash=dice.randbytes(32).hex())


def insert_in_between(dice):
    rows = numbered(dice)
    place = dice.randrange(len(rows) - 1)
    before, after = rows[place].event.sealed, rows[place + 1].event.sealed
    for row in reversed(rows[place + 1 :]):
        EventSeq.objects.filter(pk=row.seq).update(seq=row.seq + 1)
    event, link = forged(rows[place].event, dice), dice.randbytes(32).hex()
    EventSeq.objects.create(seq=rows[place].seq + 1, event=event)
    EventSeal.objects.filter(pk=after.pk).update(prev=link)
    EventSeal.objects.create(event=event, prev=before.hash, hash=link)


def swap_what_two_tell(dice):
    one, two = dice.sample(list(Event.objects.all()), 2)
    told = [{name: getattr(event, name) for name in (*SIGNED, "signature")} for event in (one, two)]
    Event.objects.filter(pk=one.pk).update(**told[1])
    Event.objects.filter(pk=two.pk).update(**told[0])


def swap_two_numbers(dice):
    one, two = dice.sample(numbered(dice), 2)
    for old, new in ((one.seq, -1), (two.seq, one.seq), (-1, two.seq)):
        EventSeq.objects.filter(pk=old).update(seq=new)


def swap_two_seals(dice):
    one, two = dice.sample(list(EventSeal.objects.all()), 2)
    kept = [model_to_dict(row, fields=("prev", "hash")) for row in (one, two)]
    EventSeal.objects.filter(pk=one.pk).update(prev="-")
    EventSeal.objects.filter(pk=two.pk).update(**kept[0])
    EventSeal.objects.filter(pk=one.pk).update(**kept[1])


def cut_the_start(dice):
    drop(*(row.event for row in numbered(dice)[: dice.randint(1, 9)]))


def cut_the_tail(dice):
    drop(*(row.event for row in numbered(dice)[-dice.randint(1, 9) :]))


def cut_the_tail_and_set_the_head_back(dice):
    cut_the_tail(dice)
    last = numbered(dice)[-1]
    EventHead.objects.update(seq=last.seq, hash=last.event.sealed.hash)


def cut_the_tail_and_drop_the_head(dice):
    cut_the_tail(dice)
    EventHead.objects.all()._raw_delete("default")


TAMPERINGS = (
    edit,
    edit_a_seal,
    edit_a_personal_value,
    delete,
    delete_and_close_the_gap,
    delete_a_seal_or_a_number,
    insert,
    insert_a_copy,
    insert_without_a_signature,
    insert_at_the_end,
    insert_in_between,
    swap_what_two_tell,
    swap_two_numbers,
    swap_two_seals,
    cut_the_start,
    cut_the_tail,
    cut_the_tail_and_set_the_head_back,
    cut_the_tail_and_drop_the_head,
)


def test_i6_of_two_hundred_random_tamperings_two_hundred_are_found(book):
    dice = random.Random(SEED)  # noqa: S311 - chance, not secrecy
    todo = [dice.choice(TAMPERINGS) for _ in range(TIMES - len(TAMPERINGS))] + list(TAMPERINGS)
    missed = []
    assert verify() == []
    for tamper in todo:
        with transaction.atomic():
            with triggers_off():
                tamper(dice)
            if not verify():
                missed.append(tamper.__name__)
            transaction.set_rollback(True)
    assert verify() == []
    print(f"seed {SEED}: {len(todo) - len(missed)} of {len(todo)} tamperings found")
    assert missed == []


def test_i6_an_older_head_put_back_is_found_by_the_head_in_the_log(book):
    older = EventHead.objects.get()
    make_account()
    sealed_now()
    told = head()
    gone = [row.event for row in EventSeq.objects.filter(seq__gt=older.seq)]
    with transaction.atomic(), triggers_off():
        drop(*gone)
        older.save()
    assert verify() == []
    assert verify(told) == [f"I6: the chain once reached to {told.seq}, and ends at {older.seq}"]
    make_account()
    sealed_now()
    assert head().seq >= told.seq
    assert verify(told) != []  # PostgreSQL gives the numbers again, SQLite leaves a gap


@pytest.mark.parametrize("damage", [cut_the_tail_and_set_the_head_back, cut_the_tail_and_drop_the_head])
def test_the_sealer_does_not_cover_up_what_was_done_to_the_head(book, damage, caplog):
    with transaction.atomic(), triggers_off():
        damage(random.Random(1))  # noqa: S311
    before = EventSeal.objects.count()
    make_account()
    sealed_now()
    assert EventSeal.objects.count() == before
    assert caplog.records[-1].msg["event"] == "audit_chain_broken"
    assert verify() != []


def test_i6_a_tail_that_was_cut_and_grown_again_is_found(book):
    with transaction.atomic(), triggers_off():
        cut_the_tail(random.Random(2))  # noqa: S311
    for _ in range(3):
        make_account()
        sealed_now()
    assert verify() != []


# --- no false alarms


def test_i6_honest_work_raises_no_alarm(book):
    dice = random.Random(SEED)  # noqa: S311
    for _ in range(60):
        match dice.randrange(5):
            case 0:
                make_contact(dice.choice(Account.objects.all()))
            case 1:
                pk = dice.choice(Account.objects.all()).pk
                with change(pk, by=None, via="api", now=clock.now()) as work:
                    work.account.record({"rsm_name": f"Sam {dice.random()}"})
            case 2:
                if ids := list(EventPersonal.objects.values_list("pk", flat=True)):
                    EventPersonal.objects.filter(pk=dice.choice(ids)).delete()
            case 3:
                seal(now=NOW)
            case 4:
                with transaction.atomic():
                    make_account()
                    transaction.set_rollback(True)
        assert verify() == []
    EventPersonal.objects.all().delete()
    sealed_now()
    assert verify() == []
    assert EventSeal.objects.count() == Event.objects.count()


def test_i6_verifying_while_writers_and_sealers_go_on_raises_no_alarm(book, people):
    accounts = [make_account() for _ in range(2)]
    stopping, found, rounds = threading.Event(), [], []

    def write(account):
        turn = 0
        while not stopping.is_set():
            turn += 1
            with change(account.pk, by=None, via="task", now=NOW) as work:
                work.account.record({"rsm_name": f"turn {turn}"})
            stopping.wait(0.01)  # SQLite's lock has no queue: let the others have it

    def go_on_sealing():
        while not stopping.wait(0.01):
            seal(now=NOW)

    def look():
        end = time.monotonic() + 60
        try:
            while time.monotonic() < end and (len(rounds) < 20 or rounds[-1] < rounds[0] + 20):
                found.extend(verify())
                rounds.append(EventSeal.objects.count())
        finally:
            stopping.set()

    at_once([lambda: write(accounts[0]), lambda: write(accounts[1]), go_on_sealing, go_on_sealing, look])
    assert found == []
    assert rounds[-1] >= rounds[0] + 20  # there was something going on


# --- keys


def test_a_new_key_seals_and_the_old_one_still_verifies(book, settings):
    old = settings.AUDIT_KEYS
    settings.AUDIT_KEYS = ["n" * 40, *old]
    make_account()
    sealed_now()
    assert verify() == []
    settings.AUDIT_KEYS = ["n" * 40]
    assert len(verify()) > 1


def test_without_the_key_that_sealed_the_chain_does_not_go_on(book, settings):
    settings.AUDIT_KEYS = ["n" * 40]
    before = EventSeal.objects.count()
    make_account()
    sealed_now()
    assert EventSeal.objects.count() == before
    assert verify() == ["I6: the head of the audit chain was made with another key"]


def test_i6_what_an_old_key_seals_after_a_new_one_is_found(book, settings):
    old = settings.AUDIT_KEYS
    for keys in (["n" * 40, *old], [*old, "n" * 40]):
        settings.AUDIT_KEYS = keys
        make_account()
        sealed_now()
    settings.AUDIT_KEYS = ["n" * 40, *old]
    assert verify() != []
