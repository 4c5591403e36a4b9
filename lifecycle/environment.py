"""Reading one variable. A bad value raises an error with its name and the form expected, never with the value
itself, which may be a secret. Blank means unset."""

import re
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env


def wrong(name: str, expected: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}: expected {expected}.")


def text(name: str, default: str = "") -> str:
    return Env.ENVIRON.get(name, "").strip() or default


def boolean(name: str, default: bool = False) -> bool:
    value = text(name, str(default)).lower()
    if value not in {"true", "1", "yes", "on", "false", "0", "no", "off"}:
        raise wrong(name, "true or false")
    return value in {"true", "1", "yes", "on"}


def number(name: str, default: int, least: int, most: int) -> int:
    value = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
        raise wrong(name, f"a whole number from {least} to {most}")
    return int(value)


def url(name: str, default: str, schemes: set[str], example: str, host: bool = True) -> str:
    value = text(name, default)
    try:
        parts = urlsplit(value)
        good = parts.scheme in schemes and (not host or bool(parts.hostname)) and parts.port != 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        good = False
    if not good:
        raise wrong(name, f"a URL such as {example}")
    return value
