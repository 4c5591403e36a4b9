"""How a digest reads: links that lead somewhere, text and HTML that agree, nothing that a name could smuggle in."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.urls import resolve

from accounts.models import User
from accounts.tests.factories import complete_onboarding, make_account, make_csm, make_lead, make_team
from lifecycle import clock
from lifecycle.dashboards.shown import path_of
from lifecycle.mail.dispatch import drain
from lifecycle.mail.models import Message
from lifecycle.mail.tests.sending import chicago
from lifecycle.milestones.models import Milestone, Notice
from lifecycle.milestones.planner import plan
from lifecycle.rules.duties import KINDS

pytestmark = [pytest.mark.django_db, pytest.mark.servers]


@pytest.fixture
def imani() -> User:
    with clock.at(chicago("01-30 15:00")):
        team = make_team()
        make_lead("joss@example.com", team=team, time_zone="America/Chicago")
        return make_csm("imani@example.com", pool="core", team=team, time_zone="America/Chicago")


def digest(imani: User, sink, name: str, when: str = "02-15 08:00"):
    with clock.at(chicago("01-30 15:00")):
        account = make_account(name, service_level="premium", mrr=Decimal("900.00"))
        complete_onboarding(account, on=date(2026, 1, 30))
    Notice.objects.create(recipient=imani, account=account, text=f"About {name}", created_at=chicago(when))
    plan(chicago(when))
    drain(now=chicago(when))
    return sink.to(imani.email)[0]


def test_a_digest_names_the_duty_the_account_the_day_and_links_to_its_page(imani, sink, settings):
    settings.BASE_URL = "https://waymark.example.com"
    mail = digest(imani, sink, "Northwind")
    account = Milestone.objects.first().account_id
    lines = mail.text.replace("\r\n", "\n").splitlines()
    assert lines[0] == "Waymark for Imani, Sun, Feb 15"
    at = lines.index("- 30-day adoption, Northwind: due Fri, Feb 27; day 30 is Sun, Mar 1")
    assert lines[at + 1] == f"  https://waymark.example.com/accounts/{account}/adoption/30/#steps"
    assert mail.subject == "Waymark: 1 coming up"


def test_text_and_html_say_the_same(imani, sink):
    mail = digest(imani, sink, "Northwind", when="03-10 08:00")
    html = mail.message.get_body(("html",)).get_content()
    for line in re.findall(r"^- (.+?), Northwind: (.+?)\r?$", mail.text, re.M):
        assert all(words in html for words in line)
    assert set(re.findall(r"https?://\S+", mail.text)) == set(re.findall(r'href="([^"]+)"', html))


def test_a_name_stays_a_name_in_text_and_html(imani, sink):
    mail = digest(imani, sink, "<script>alert(1)</script> & {{ 7 }} {% now %}")
    html = mail.message.get_body(("html",)).get_content()
    assert "<script>" not in html and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; {{ 7 }} {% now %}" in html
    assert "<script>alert(1)</script> & {{ 7 }} {% now %}" in mail.text
    assert "script" not in mail.subject


def test_long_names_in_every_alphabet_arrive_whole(imani, sink):
    name = "Häuser & Söhne 株式会社 👩‍👩‍👧 " + "x" * 200
    assert name in digest(imani, sink, name).text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_every_kind_of_duty_has_a_page(db, kind):
    account = make_account("Northwind")
    milestone = Milestone(kind=kind.slug, source_type=kind.source.type, source_id=1, day=30, account=account)
    assert resolve(urlsplit(path_of(milestone)).path)


def test_a_late_digest_lists_what_is_still_open_and_says_how_late(imani, sink, settings):
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    with clock.at(chicago("01-30 15:00")):
        account = make_account("Northwind", service_level="premium", mrr=Decimal("900.00"))
        complete_onboarding(account, on=date(2026, 1, 30))
    start = chicago("03-04 08:00")
    for hour in range(0, 72, 4):  # three days without a mail server
        plan(start + timedelta(hours=hour))
        drain(now=start + timedelta(hours=hour))
    settings.EMAIL_PORT = port
    for minute in (0, 1):  # yesterday's expires and gives today's what it held
        plan(start + timedelta(hours=72, minutes=minute))
        drain(now=start + timedelta(hours=72, minutes=minute))
    assert [mail.subject for mail in sink.to(imani.email)] == ["Waymark: 4 overdue"]
    assert "was due Fri, Feb 27, 8 days ago; day 30 was Sun, Mar 1" in sink.to(imani.email)[0].text
    assert not Message.objects.filter(state__in=("dead", "retry", "due")).exists()
