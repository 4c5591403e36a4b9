"""How people read days, times and places, wherever they do: pages, mails and PDFs. Reads no clock."""

from __future__ import annotations

from datetime import date, datetime

AHEAD, BACK = 7, 30  # days told relative to today


def day_words(day: date, today: date) -> str:
    """An absolute date in words: "Fri, Oct 23", with the year when it is not this one."""
    text = f"{day:%a, %b} {day.day}"
    return text if day.year == today.year else f"{text}, {day.year}"


def letter_day(day: date | None) -> str:
    """A day as a letter writes it: "Friday, October 23"; empty while there is none."""
    return f"{day:%A, %B} {day.day}" if day else ""


def time_words(at: datetime) -> str:
    """A local time: "10:00 AM"."""
    return f"{at.hour % 12 or 12}:{at:%M} {'AM' if at.hour < 12 else 'PM'}"


def hour_words(hour: int) -> str:
    """A full hour of the day: "8:00 AM"."""
    return f"{hour % 12 or 12}:00 {'AM' if hour < 12 else 'PM'}"


def place_words(zone: str) -> str:
    """A time zone as people call it, by its place: "Chicago", "Indiana, Knox"."""
    return zone.replace("_", " ").replace("/", ", ")


def relative_words(day: date, today: date) -> str:
    """Relative within 7 days ahead and 30 back, else the absolute date; late always says so."""
    days = (day - today).days
    if days == 0:
        return "Today"
    if days == 1:
        return "Tomorrow"
    if 0 < days <= AHEAD:
        return f"In {days} days"
    if -BACK <= days < 0:
        return f"{-days} day{'s' if days < -1 else ''} late"
    return day_words(day, today) if days > 0 else f"{day_words(day, today)}, late"
