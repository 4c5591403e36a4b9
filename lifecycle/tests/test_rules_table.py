"""The table of kinds is whole, and the rules stay pure: standard library only, no clock."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from lifecycle import rules
from lifecycle.rules.duties import KIND, KINDS

pytestmark = pytest.mark.sqlite_only

FILES = sorted(Path(rules.__file__).parent.glob("**/*.py"))
PROMISED = {
    "stage",
    "check_in",
    "prepare_checklist",
    "book_meeting",
    "record_meeting",
    "close_stage",
    "explain_no_meeting",
    "complete_onboarding",
    "level_review",
    "reroute",
    "book_call",
    "record_call",
    "recap_call",
    "book_training",
    "record_training",
    "recap_training",
    "send_completed",
    "recap_meeting",
    "close_gap",
    "follow_up",
    "tell_rsm",
    "billing_check",
    "lead_review",
    "forum_invite",
}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "localtime", "gmtime"}
CLOCK_OWNERS = {"datetime", "date", "time", "timezone"}


def test_mil_1_every_promised_kind_is_a_row_of_the_table() -> None:
    assert set(KIND) >= PROMISED


def test_mil_1_a_slug_and_its_source_name_one_row() -> None:
    assert len({(kind.slug, kind.source.type) for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("slug", sorted(KIND))
def test_mil_1_rows_that_share_a_slug_remind_alike(slug: str) -> None:
    alike = {
        (kind.schedule, kind.acts_on_the_day, kind.tells_lead, kind.at_once)
        for kind in KINDS
        if kind.slug == slug
    }
    assert len(alike) == 1


def test_mil_1_the_rows_of_one_source_type_are_drawn_from_one_place() -> None:
    assert len({kind.source.type for kind in KINDS}) == len({kind.source for kind in KINDS})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_mil_1_every_row_has_an_owner_a_title_and_a_schedule(kind) -> None:
    assert kind.owner in {"csm", "lead", "author"}
    assert kind.schedule in {"stage", "check_in", "once", "other"}
    assert kind.title


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.slug}-{kind.source.type}")
def test_mil_2_a_row_ends_by_a_fact_or_by_hand_or_because_it_was_put_off(kind) -> None:
    ends = [kind.evidence is not None, kind.by_hand, kind.evidence is None and bool(kind.sent)]
    assert ends.count(True) == 1
    assert not (kind.by_hand and kind.sent)


def imports_of(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


def strangers(source: str) -> set[str]:
    """What a file of the rules imports beyond the standard library and its neighbours."""
    return {
        name
        for name in imports_of(ast.parse(source))
        if name.split(".")[0] not in sys.stdlib_module_names and not f"{name}.".startswith("lifecycle.rules.")
    }


def clock_reads(source: str) -> set[str]:
    """`datetime.now`, `date.today`, `time.time` and their like, however the module was named."""
    tree = ast.parse(source)
    if "time" in imports_of(tree):
        return {"time"}
    return {
        f"{ast.unparse(node.value)}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in CLOCKS
        and ast.unparse(node.value).split(".")[-1] in CLOCK_OWNERS
        and not (node.attr == "time" and ast.unparse(node.value) == "datetime")
    }


def test_there_are_rules_to_read() -> None:
    named = {path.relative_to(FILES[0].parent).as_posix() for path in FILES}
    assert {"cadence.py", "duties/kind.py", "duties/stages.py", "facts.py", "gates.py", "policy.py"} <= named


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_rules_import_the_standard_library_only(path: Path) -> None:
    assert strangers(path.read_text()) == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_rules_read_no_clock(path: Path) -> None:
    assert clock_reads(path.read_text()) == set()


@pytest.mark.parametrize(
    "seeded",
    [
        "import django",
        "from django.utils import timezone",
        "from lifecycle.change import change",
        "from lifecycle import rules_of_others",
        "def f():\n    import accounts.models",
        "from . import policy",
    ],
)
def test_a_seeded_import_is_caught(seeded: str) -> None:
    assert strangers(seeded)


@pytest.mark.parametrize(
    "seeded",
    [
        "from datetime import datetime\ndatetime.now()",
        "from datetime import datetime, UTC\nf = datetime.now",
        "from datetime import date\ndate.today()",
        "import datetime\ndatetime.datetime.utcnow()",
        "import datetime\ndatetime.date.today()",
        "import time\ntime.time()",
        "from time import time\ntime()",
    ],
)
def test_a_seeded_clock_read_is_caught(seeded: str) -> None:
    assert clock_reads(seeded)
