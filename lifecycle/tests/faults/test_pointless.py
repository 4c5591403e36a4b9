"""Row 35: what a reminder is about ends, moves to somebody else or is archived in the instant it leaves."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault, pytest.mark.timeout(120)]

RACES = 1000
AHEAD = 4  # how far changes and mails may get ahead of each other: they meet all the time
