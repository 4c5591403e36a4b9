"""A date for the customer's own calendar: sent again after a move, it replaces the first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from icalendar import Calendar, Event

from lifecycle.mail.dispatch.kinds import Attachment


def calendar_file(
    name: str,
    *,
    uid: str,
    version: int,
    stamped_at: datetime,
    begins_at: datetime,
    minutes: int,
    summary: str,
    location: str = "",
) -> Attachment:
    """The event as an .ics file. `uid` names it among ours for good; a higher `version` replaces a lower one."""
    event = Event()
    event.add("uid", f"{uid}@{urlsplit(settings.BASE_URL).hostname}")
    event.add("sequence", version)
    event.add("dtstamp", stamped_at)
    event.add("dtstart", begins_at.astimezone(UTC))
    event.add("duration", timedelta(minutes=minutes))
    event.add("summary", summary)
    if location:
        event.add("location", location)
    calendar = Calendar()
    calendar.add("prodid", f"-//{settings.SITE_NAME}//{summary.partition(':')[0]}//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    return Attachment(f"{name}.ics", calendar.to_ical(), "text/calendar")
