"""MIL-3, MIL-4: on which days a milestone speaks, to whom, and when the mail leaves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from lifecycle.rules.cadence import WorkCalendar
from lifecycle.rules.duties import KINDS
from lifecycle.rules.policy import Policy, ReminderRules
from lifecycle.rules.reminders import occasion_named, occasions, send_at

pytestmark = pytest.mark.sqlite_only

POLICY = Policy()
PLAIN = WorkCalendar()
BOTH, LEAD, OWNER = {"csm", "lead"}, {"lead"}, {"owner"}
SUNDAY, FRIDAY_BEFORE = date(2026, 3, 1), date(2026, 2, 27)


def first_60_days(kind: str, due: date, act_by: date, calendar: WorkCalendar = PLAIN) -> list[tuple]:
    """Name, month-day and audience of each occasion up to 60 days after the due date."""
    spoken = []
    for occasion in occasions(kind, due_on=due, act_by=act_by, policy=POLICY, calendar=calendar):
        if occasion.on > due + timedelta(days=60):
            return spoken
        spoken.append((occasion.name, f"{occasion.on:%m-%d}", set(occasion.to)))


def test_mil_3_a_stage_reminds_csm_and_lead_14_days_before_on_the_day_3_days_after_then_weekly() -> None:
    assert first_60_days("stage", SUNDAY, FRIDAY_BEFORE) == [
        ("prepare", "02-15", BOTH),
        ("day", "02-27", BOTH),
        ("late1", "03-04", BOTH),
        ("late2", "03-11", BOTH),
        ("late3", "03-18", BOTH),
        ("late4", "03-25", BOTH),
        ("late5", "04-01", BOTH),
        ("late6", "04-08", BOTH),
        ("late7", "04-15", BOTH),
        ("late8", "04-22", BOTH),
        ("late9", "04-29", BOTH),
    ]


def test_mil_3_a_check_in_reminds_the_lead_and_on_the_day_the_csm_too() -> None:
    day = date(2026, 4, 15)
    assert first_60_days("check_in", day, day) == [
        ("prepare", "04-12", LEAD),
        ("day", "04-15", BOTH),
        ("late1", "04-22", LEAD),
        ("late2", "04-29", LEAD),
        ("late3", "05-06", LEAD),
        ("late4", "05-13", LEAD),
        ("late5", "05-20", LEAD),
        ("late6", "05-27", LEAD),
        ("late7", "06-03", LEAD),
        ("late8", "06-10", LEAD),
    ]


OTHERS = [kind.slug for kind in KINDS if kind.slug not in ("stage", "check_in", "survey_reminder")]


@pytest.mark.parametrize("kind", OTHERS)
def test_mil_3_every_other_kind_reminds_its_owner_and_from_the_2nd_working_day_late_the_lead_too(
    kind: str,
) -> None:
    late = OWNER | LEAD
    assert first_60_days(kind, date(2026, 5, 3), date(2026, 5, 1)) == [
        ("day", "05-01", OWNER),
        ("late1", "05-05", late),
        ("late2", "05-12", late),
        ("late3", "05-19", late),
        ("late4", "05-26", late),
        ("late5", "06-02", late),
        ("late6", "06-09", late),
        ("late7", "06-16", late),
        ("late8", "06-23", late),
        ("late9", "06-30", late),
    ]


def test_sur_4_the_survey_reminder_speaks_once_and_has_no_late_ones() -> None:
    asked = {"due_on": SUNDAY, "act_by": SUNDAY, "policy": POLICY, "calendar": PLAIN}
    spoken = list(occasions("survey_reminder", **asked))
    assert [(occasion.name, occasion.on, occasion.to) for occasion in spoken] == [("day", SUNDAY, OWNER)]
    until = SUNDAY + timedelta(days=30)
    assert occasion_named("day", "survey_reminder", **asked, until=until).on == SUNDAY
    assert occasion_named("late1", "survey_reminder", **asked, until=until) is None


@pytest.mark.parametrize(
    ("due", "late"),
    [
        (date(2026, 4, 29), date(2026, 5, 1)),
        (date(2026, 4, 30), date(2026, 5, 5)),
        (date(2026, 5, 1), date(2026, 5, 6)),
        (date(2026, 5, 2), date(2026, 5, 6)),
        (date(2026, 5, 5), date(2026, 5, 7)),
    ],
)
def test_mil_3_the_2nd_working_day_late_passes_over_weekends_and_holidays(due: date, late: date) -> None:
    calendar = WorkCalendar(frozenset({date(2026, 5, 4)}))
    asked = occasions("reroute", due_on=due, act_by=due, policy=POLICY, calendar=calendar)
    assert [occasion.on for occasion in islice(asked, 2)] == [due, late]


def test_mil_3_offsets_are_policy() -> None:
    policy = Policy(
        reminders=ReminderRules(
            stage_prepare_days=5,
            stage_late_days=1,
            check_in_prepare_days=2,
            check_in_late_days=4,
            other_late_working_days=1,
            repeat_days=3,
        )
    )
    due = date(2026, 5, 6)

    def days(kind: str) -> list[int]:
        asked = occasions(kind, due_on=due, act_by=due, policy=policy, calendar=PLAIN)
        return [(occasion.on - due).days for occasion in islice(asked, 4)]

    assert (days("stage"), days("check_in"), days("reroute")) == ([-5, 0, 1, 4], [-2, 0, 4, 7], [0, 1, 4, 7])


def test_mil_5_occasions_are_named_by_their_place_in_the_schedule() -> None:
    asked = occasions("stage", due_on=SUNDAY, act_by=FRIDAY_BEFORE, policy=POLICY, calendar=PLAIN)
    names = [occasion.name for occasion in islice(asked, 30)]
    assert names == ["prepare", "day", *(f"late{n}" for n in range(1, 29))]


@pytest.mark.parametrize(
    ("zone", "day", "leaves"),
    [
        ("America/New_York", date(2026, 3, 7), datetime(2026, 3, 7, 13, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 8), datetime(2026, 3, 8, 12, tzinfo=UTC)),
        ("America/New_York", date(2026, 10, 31), datetime(2026, 10, 31, 12, tzinfo=UTC)),
        ("America/New_York", date(2026, 11, 1), datetime(2026, 11, 1, 13, tzinfo=UTC)),
        ("Asia/Kathmandu", date(2026, 3, 8), datetime(2026, 3, 8, 2, 15, tzinfo=UTC)),
        ("Pacific/Kiritimati", date(2026, 3, 8), datetime(2026, 3, 7, 18, tzinfo=UTC)),
    ],
)
def test_mil_4_the_digest_leaves_at_eight_local_time_on_both_dst_days(
    zone: str, day: date, leaves: datetime
) -> None:
    assert send_at(day, hour=8, zone=ZoneInfo(zone)).astimezone(UTC) == leaves
