"""The pages in a real Chromium: launch, sign-in, pictures."""

import shutil

import pytest

from lifecycle.tests.plugin import ROOT

SCREENSHOTS = ROOT / "var" / "screenshots"
FLAGS = (
    "--no-sandbox",  # Chromium refuses its sandbox to root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.fail("Chromium is missing. Type: sudo apt-get install chromium")
    return browser_type_launch_args | {"executable_path": chromium, "args": list(FLAGS)}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    size = {"width": 1440, "height": 900}
    return browser_context_args | {"viewport": size, "locale": "en-US", "timezone_id": "UTC"}


@pytest.fixture
def complaints(page):
    """What the page's console and scripts complained about, CSP reports among it; a clean page leaves it empty."""
    heard: list[str] = []
    page.on("console", lambda line: heard.append(line.text) if line.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


@pytest.fixture
def sign_in(live_server, client):
    """`sign_in(page, user)` gives the browser the user's session, without the form."""
    from django.conf import settings

    def enter(page, user):
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])

    return enter


@pytest.fixture
def screenshot():
    """`screenshot(page, "my-day")` writes var/screenshots/my-day-light.png and -dark.png."""

    def shoot(page, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.evaluate("window.scrollTo(0, 0)")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
            # as it stands: hiding the caret would leave style attributes behind, which the CSP then reports
            page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.png", full_page=True, caret="initial")

    return shoot
