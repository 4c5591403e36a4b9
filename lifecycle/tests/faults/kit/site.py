"""The pages and the API over real HTTP, asked by somebody signed in and by a program."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from django.utils.regex_helper import normalize

from accounts.models import User
from lifecycle import clock
from lifecycle.api.models import ApiToken
from lifecycle.machine import free_port
from lifecycle.tests.faults.kit.world import Victim, World

PATIENCE = 30.0
CSRF = "c" * 32


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def is_problem(self) -> bool:
        return self.headers.get("content-type") == "application/problem+json"


class Site:
    """A web server of the world's and two who use it. It answers by the time this returns."""

    def __init__(self, world: World, user: User, *, folder: Path | None = None, **variables: str) -> None:
        self.port = free_port()
        folder = (folder or world.folder) / f"site-{self.port}"
        without_hashes(folder / "static")
        self.process: Victim = world.web(self.port, VAR_DIR=str(folder), **variables)
        self.process.says("Booting worker")
        client = Client()
        client.force_login(user)
        self.cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
        self.token = ApiToken.issue(user, scope="write", now=clock.now(), days=1)
        deadline = time.monotonic() + PATIENCE
        while self.ask("GET", "/livez").status != 200:
            assert time.monotonic() < deadline, self.process.output[-2000:]
            time.sleep(0.1)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Status 0: no answer at all."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        begun = time.monotonic()
        try:
            line.request(method, path, body, {"Host": "localhost", **headers})
            got = line.getresponse()
            known = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, known, got.read(), time.monotonic() - begun)
        except (OSError, http.client.HTTPException):
            return Answer(0, {}, b"", time.monotonic() - begun)
        finally:
            line.close()

    def get(self, path: str) -> Answer:
        return self.ask("GET", path, Cookie=self.cookie)

    def post(self, path: str, form: dict[str, str] | None = None) -> Answer:
        cookie = f"{self.cookie}; {settings.CSRF_COOKIE_NAME}={CSRF}"
        told = {"Cookie": cookie, "X-CSRFToken": CSRF, "Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(form or {}), **told)

    def upload(self, path: str, size: int) -> Answer:
        """A file of that many bytes in a form."""
        mark = "-" * 20
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        body = head.encode() + b"x" * size + f"\r\n--{mark}--\r\n".encode()
        cookie = f"{self.cookie}; {settings.CSRF_COOKIE_NAME}={CSRF}"
        told = {
            "Cookie": cookie,
            "X-CSRFToken": CSRF,
            "Content-Type": f"multipart/form-data; boundary={mark}",
        }
        return self.ask("POST", path, body, **told)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """By the API's token."""
        told = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return self.ask(method, f"/api/v1/{path}", None if body is None else json.dumps(body), **told)

    def put_account(self, name: str, **facts: Any) -> Answer:
        values = {"name": name, "contracted_users": 10, "mrr": "250.00", **facts}
        return self.call("PUT", f"accounts/external/{name}/", values)


def without_hashes(folder: Path) -> None:
    """What `collectstatic` would tell, without its files: pages name the sources."""
    names = {name: name for finder in finders.get_finders() for name, _ in finder.list([])}
    folder.mkdir(parents=True)
    (folder / "staticfiles.json").write_text(json.dumps({"paths": names, "version": "1.1", "hash": ""}))


def every_address(known: dict[str, object]) -> list[str]:
    """Each address of the product once, with what is `known` by name in its gaps, else 1."""
    return sorted(set(_addresses(get_resolver().url_patterns, "/", known)))


def _addresses(patterns: list[Any], before: str, known: dict[str, object]) -> Iterator[str]:
    for found in patterns:
        if isinstance(found.pattern, RoutePattern):
            part = re.sub(r"<(?:\w+:)?(\w+)>", r"%(\1)s", str(found.pattern))
        else:
            part = normalize(found.pattern.regex.pattern)[0][0]
        if isinstance(found, URLResolver):
            yield from _addresses(found.url_patterns, before + part, known)
        elif isinstance(found, URLPattern):
            names = re.findall(r"%\((\w+)\)s", before + part)
            yield (before + part) % {name: known.get(name, 1) for name in names}
