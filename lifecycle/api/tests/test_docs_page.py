"""The offline viewer of the API's document, in a real browser."""

import pytest

from accounts.tests.factories import make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_viewer_shows_every_resource_under_the_csp(live_server, page, sign_in, complaints):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    sign_in(page, make_user(role="viewer"))
    page.goto(f"{live_server.url}/api/docs/")
    page.wait_for_selector(".opblock-summary-path", timeout=30_000)
    shown = page.locator(".opblock-summary-path").all_inner_texts()
    assert any("/accounts/external/" in text.replace("\u200b", "") for text in shown)
    assert not [url for url in asked if not url.startswith((live_server.url, "data:"))]
    assert complaints == []
