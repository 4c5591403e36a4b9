"""What each role finds in the navigation and beside its profile; every way leads somewhere."""

import pytest
from django.urls import reverse

from accounts.models.people import ROLES
from accounts.tests.factories import make_user

pytestmark = pytest.mark.django_db
NAV = {
    "csm": ["My day", "Accounts", "Outbox", "Open Forums"],
    "team_lead": ["Team queue", "My day", "Accounts", "Outbox", "Open Forums"],
    "manager": ["Team queue", "My day", "Accounts", "Outbox", "Open Forums"],
    "cs_ops": ["Accounts", "My day", "Team queue", "Outbox", "Open Forums", "Settings"],
    "viewer": ["Accounts", "Open Forums"],
    "admin": ["Accounts", "Outbox", "Settings"],
}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_its_ways_and_each_leads_to_a_page_that_knows_where_it_is(client, role):
    client.force_login(make_user(role=role))
    items = client.get(reverse("dashboards:profile")).context["nav"]["items"]
    assert [item["label"] for item in items] == NAV[role]
    for item in items:
        page = client.get(item["url"])
        assert page.status_code == 200
        assert [one["label"] for one in page.context["nav"]["items"] if one["current"]] == [item["label"]]


@pytest.mark.parametrize("role", ROLES)
def test_everybody_finds_templates_and_links_beside_their_profile(client, role):
    client.force_login(make_user(role=role))
    for start in ("dashboards:profile", "mail:templates", "mail:links"):
        text = client.get(reverse(start)).content.decode()
        for name in ("dashboards:profile", "mail:templates", "mail:links"):
            assert f'href="{reverse(name)}"' in text.partition('aria-label="Settings"')[2]


def test_a_phone_shows_four_ways_below_and_the_others_beside_the_profile(client):
    client.force_login(make_user(role="cs_ops"))
    text = client.get(reverse("dashboards:profile")).content.decode()
    bar = text.partition('aria-label="Main, small screens"')[2].partition("</nav>")[0]
    more = text.partition('aria-label="More"')[2].partition("</nav>")[0]
    assert [name in bar for name in NAV["cs_ops"]] == [True] * 4 + [False] * 2
    assert [name in more for name in NAV["cs_ops"]] == [False] * 4 + [True] * 2
