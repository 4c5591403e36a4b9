"""The tests' own tools: private servers, real processes on the test's database, no reach beyond this machine."""

import smtplib
import socket

import pytest
import redis
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from lifecycle.tests.servers import eventually


def test_no_test_reaches_beyond_this_machine():
    with (
        socket.socket() as wire,
        pytest.raises(PermissionError, match="a test tried to reach 192\\.0\\.2\\.1"),
    ):
        wire.connect(("192.0.2.1", 80))
    with pytest.raises(PermissionError, match=r"example\.com"):
        socket.getaddrinfo("example.com", 80)


@pytest.mark.servers
@pytest.mark.sqlite_only
def test_the_mail_sink_keeps_what_it_gets_and_refuses_when_told(smtp_sink):
    words = "Subject: Hello\r\n\r\nWorld\r\n"
    with smtplib.SMTP("127.0.0.1", smtp_sink.port) as client:
        client.sendmail("a@example.com", ["b@example.com"], words)
        smtp_sink.refuse = "451 later"
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail("a@example.com", ["c@example.com"], words)
    assert [mail.subject for mail in smtp_sink.to("b@example.com")] == ["Hello"]
    assert smtp_sink.to("c@example.com") == []


@pytest.mark.servers
def test_the_worker_and_beat_work_together_through_redis(worker, beat):
    worker.says("milestones.plan", seconds=20)
    worker.says("mail.drain", seconds=20)


@pytest.mark.servers
def test_a_child_process_sees_the_database_of_its_test(spawn):
    question = "import django; django.setup(); from django.contrib.sessions.models import Session as S; print(S.objects.get())"
    Session.objects.create(session_key="seen-from-outside", expire_date=timezone.now())
    process = spawn("-c", question)
    process.says("seen-from-outside")
    assert process.environment["DATABASE_URL"].startswith(connection.vendor.removesuffix("ql"))


@pytest.mark.servers
@pytest.mark.sqlite_only
def test_redis_is_private_and_forgets_nothing_on_its_own(redis_url):
    with redis.from_url(redis_url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


@pytest.mark.browser
@pytest.mark.sqlite_only
def test_chromium_opens_a_page_of_the_live_server(page, live_server, complaints):
    page.goto(live_server.url + "/sign-in/")
    assert page.locator("input[name=password]").count() == 1
    assert not [words for words in complaints if "Content Security Policy" in words]


@pytest.mark.django_db
def test_models_and_migrations_agree():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


SEEN = []


def rows_per_table():
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        count = {}
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            count[table] = cursor.fetchone()[0]
    return count


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_tests_that_commit_leave_what_the_migrations_made(turn):
    SEEN.append(rows_per_table())
    assert SEEN[0]["django_migrations"] and SEEN[0]["adoption_checklisttemplate"]
    assert SEEN[0] == SEEN[-1]
    Session.objects.create(session_key="left-behind", expire_date=timezone.now())


@pytest.mark.sqlite_only
def test_eventually_says_what_did_not_happen():
    with pytest.raises(pytest.fail.Exception, match=r"within 0 s: the moon"):
        eventually(lambda: False, seconds=0.1, what="the moon")
