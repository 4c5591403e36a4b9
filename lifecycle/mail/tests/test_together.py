"""Several planners and dispatchers at once, and Celery: each mail once, whoever runs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from accounts.tests.factories import complete_onboarding, make_account, make_csm, make_lead, make_team
from lifecycle import clock
from lifecycle.mail.dispatch import Mail, drain, register_kind
from lifecycle.mail.dispatch.kinds import KINDS
from lifecycle.mail.models import Message
from lifecycle.mail.tests.rude import RudeServer
from lifecycle.mail.tests.sending import due_message
from lifecycle.milestones.models import Milestone, Reminder
from lifecycle.milestones.planner import plan
from lifecycle.tests.servers import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.servers]


def all_at_once(*jobs) -> list:
    """Run the jobs in threads that start together; answers what each returned."""
    start, answers, problems = threading.Barrier(len(jobs)), [], []

    def run(job) -> None:
        try:
            start.wait()
            answers.append(job())
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    return answers


@pytest.fixture
def book():
    """Twelve Premium accounts, each preparing its 30-day stage today, of one CSM and one lead in UTC."""
    now = clock.now()
    today = now.date()
    team = make_team()
    make_lead("joss@example.com", team=team, digest_hour=0)
    make_csm("imani@example.com", pool="core", team=team, digest_hour=0)
    for n in range(12):
        account = make_account(f"Account {n}", service_level="premium", mrr=Decimal("900.00"))
        complete_onboarding(account, on=today - timedelta(days=16))
    return now


def test_eight_planners_at_once_plan_each_reminder_once(book):
    counts = all_at_once(*[lambda: plan(book)] * 8)
    plan(book)  # what one planner had to leave to another
    assert sum(counts) <= 24
    assert Reminder.objects.count() == 24
    assert set(Reminder.objects.values_list("state", flat=True)) == {"planned"}
    assert Counter(Message.objects.values_list("dedup", "reminders__state")) == {
        (f"digest:{pk}:{book.date()}", "planned"): 12
        for pk in Message.objects.values_list("recipient", flat=True)
    }
    assert not Milestone.objects.filter(status="open", remind_at__lte=book).exists()


def test_eight_dispatchers_at_once_send_each_message_once(settings):
    register_kind("test", wanted=lambda m, now: "", render=lambda m, now: Mail("Hello", "Hello"))
    now = clock.now()
    for n in range(80):
        due_message(f"d{n}@example.com", now=now, number=n)
    with RudeServer() as rude:
        settings.MAIL_TRANSPORT = "lifecycle.mail.backends.SmtpBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", rude.port
        ended = sum(all_at_once(*[drain] * 8), Counter())
    del KINDS["test"]
    assert ended == {"sent": 80}
    assert Counter(r.recipient for r in rude.received) == {f"d{n}@example.com": 1 for n in range(80)}
    assert set(Message.objects.values_list("state", "attempts", "uncertain")) == {("sent", 1, False)}


def test_planners_and_dispatchers_together_put_everything_into_one_mail_a_person(book, settings):
    with RudeServer() as rude:
        settings.MAIL_TRANSPORT = "lifecycle.mail.backends.SmtpBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", rude.port
        all_at_once(*[lambda: plan(book)] * 4, *[drain] * 4)
        plan(book)
        drain()
    assert Counter(r.recipient for r in rude.received) == {"joss@example.com": 1, "imani@example.com": 1}
    assert Counter(Reminder.objects.values_list("state", flat=True)) == {"sent": 24}


def test_beat_and_worker_deliver_a_due_reminder(book, smtp_sink, worker, beat):
    eventually(lambda: smtp_sink.to("imani@example.com") and smtp_sink.to("joss@example.com"), 60)
    time.sleep(3)  # three more ticks of a beat that ticks each second
    assert Counter(mail.recipients for mail in smtp_sink.messages) == {
        ("imani@example.com",): 1,
        ("joss@example.com",): 1,
    }
    assert smtp_sink.to("imani@example.com")[0].subject == "Waymark: 12 coming up"
    eventually(lambda: Counter(Reminder.objects.values_list("state", flat=True)) == {"sent": 24})


def test_the_loop_alone_plans_and_delivers_without_beat_or_broker(book, smtp_sink, spawn):
    spawn("manage.py", "dispatch", BROKER_URL="redis://127.0.0.1:1/0")
    eventually(lambda: smtp_sink.to("imani@example.com") and smtp_sink.to("joss@example.com"), 30)
