"""How dates, money and people read on every page. Pure functions; `now`, `today` and `zone` come from the view."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lifecycle.words import AHEAD, BACK, day_words, place_words, relative_words, time_words

register = template.Library()

GLYPHS = {
    "overdue": ("g-overdue", "g-red", "Late"),
    "today": ("g-today", "g-amber", "Due today"),
    "progress": ("g-prog", "g-blue", "In progress"),
    "todo": ("g-todo", "g-grey", "To do"),
    "wait": ("g-wait", "g-grey", "Waiting"),
    "done": ("g-done", "g-green", "Done"),
    "skip": ("g-skip", "g-grey", "Skipped"),
}
POOL_BARS = {"digital": ("b-1", "Digital"), "core": ("b-2", "Core"), "strategic": ("b-3", "Strategic")}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of the sprite; decoration, so hidden from screen readers."""
    return format_html(
        '<svg class="i {}" aria-hidden="true"><use href="{}#i-{}"/></svg>', extra, static("icons.svg"), name
    )


@register.simple_tag
def glyph(state: str) -> SafeString:
    """A status: always a shape with a word."""
    shape, colour, word = GLYPHS[state]
    return format_html(
        '<svg class="glyph {}" role="img" aria-label="{}"><use href="#{}"/></svg>', colour, word, shape
    )


@register.simple_tag
def mark(state: str, word: str) -> SafeString:
    """Another status than those of duties: one of their shapes, with its own word beside it."""
    shape, colour, _ = GLYPHS[state]
    return format_html(
        '<span class="mark"><svg class="glyph {}" aria-hidden="true"><use href="#{}"/></svg>{}</span>',
        colour,
        shape,
        word,
    )


@register.simple_tag
def pool_bars(pool: str) -> SafeString:
    """Owner type as one, two or three bars."""
    shape, word = POOL_BARS[pool]
    return format_html('<svg class="bars" role="img" aria-label="{}"><use href="#{}"/></svg>', word, shape)


@register.filter
def money(amount: Decimal | int | None) -> str:
    """Dollars, without cents unless there are any: $1,180 or $500.01."""
    if amount is None:
        return ""
    whole = amount == int(amount)
    return f"${amount:,.0f}" if whole else f"${amount:,.2f}"


@register.filter
def initials(name: str) -> str:
    """At most two letters of a name."""
    words = [word for word in name.split() if word[0].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words[:1])).upper()


@register.filter
def avatar(name: str) -> str:
    """A steady colour for a name."""
    return f"a{sum(map(ord, name)) % 6 + 1}"


@register.simple_tag
def near_day(day: date, today: date) -> str:
    """A day of the past or future as a sentence says it: "today", "yesterday", "Wed, Sep 9"."""
    return {0: "today", -1: "yesterday", 1: "tomorrow"}.get((day - today).days) or day_words(day, today)


@register.simple_tag
def ago(day: date | None, today: date, nothing: str) -> SafeString | str:
    """How long ago, then the date: "6 days ago Sep 9"; `nothing` where there is no day."""
    if day is None:
        return format_html('<span class="muted">{}</span>', nothing)
    days = (today - day).days
    if not 0 <= days <= BACK:
        return on_day(day, today)
    words = {0: "Today", 1: "Yesterday"}.get(days, f"{days} days ago")
    return format_html(
        '<time datetime="{}">{} <small class="muted">{}</small></time>',
        day.isoformat(),
        words,
        f"{day:%b} {day.day}",
    )


@register.simple_tag
def there(zone: str, now: datetime) -> str:
    """Where they are and what time it is there: "Chicago, 9:12 AM there"."""
    return f"{place_words(zone.rpartition('/')[2])}, {time_words(now.astimezone(ZoneInfo(zone)))} there"


@register.simple_tag
def due(day: date, today: date) -> SafeString:
    """Relative first, absolute under it, both as text; late in red with the word. Far off, the date alone."""
    absolute = on_day(day, today)
    if (day - today).days > AHEAD:
        return format_html("<b>{}</b>", absolute)
    first = "Late" if (today - day).days > BACK else relative_words(day, today)
    return format_html('<b class="{}">{}</b><span>{}</span>', "late" if day < today else "", first, absolute)


@register.simple_tag
def on_day(day: date | None, today: date) -> SafeString | str:
    """A date as `<time>`; a dash when there is none."""
    if day is None:
        return "-"
    return format_html('<time datetime="{}">{}</time>', day.isoformat(), day_words(day, today))


@register.simple_tag
def at_time(at: datetime | None, zone: ZoneInfo, today: date) -> SafeString | str:
    """An instant in the viewer's zone: "Tomorrow, 10:00 AM" near by, else with its date."""
    if at is None:
        return "-"
    local = at.astimezone(zone)
    days = (local.date() - today).days
    near = {0: "Today", 1: "Tomorrow", -1: "Yesterday"}.get(days)
    day = near or day_words(local.date(), today)
    return format_html('<time datetime="{}">{}, {}</time>', at.isoformat(), day, time_words(local))


@register.simple_tag
def clock_time(at: datetime, zone: ZoneInfo) -> str:
    """The time of day alone, in the viewer's zone."""
    return time_words(at.astimezone(zone))


@register.filter
def words(slug: Any) -> str:
    """A stored value as people read it: "knowledge_gaps" is "Knowledge gaps"."""
    return str(slug).replace("_", " ").capitalize()


@register.simple_tag
def relative(day: date, today: date) -> str:
    """The relative words alone: "Today", "In 2 days", "4 days late"."""
    return relative_words(day, today)


@register.simple_tag
def workload(load: Any) -> SafeString:
    """A CSM's week as one bar: done, to do, overdue, with a tick at the usual load. Widths are SVG attributes."""
    scale = max(load.total, load.csm.weekly_load, 1)
    done, to_do, overdue = (f"{100 * part / scale:.1f}%" for part in (load.done, load.to_do, load.overdue))
    after_done, after_to_do = (
        f"{100 * load.done / scale:.1f}%",
        f"{100 * (load.done + load.to_do) / scale:.1f}%",
    )
    return format_html(
        '<svg width="100%" height="8" role="img" aria-label="{} done, {} to do, {} overdue this week">'
        '<rect class="f-line" width="100%" height="8"/><rect class="f1" width="{}" height="8"/>'
        '<rect class="f3" x="{}" width="{}" height="8"/><rect class="f-red" x="{}" width="{}" height="8"/>'
        '<rect class="f-ink" x="{}%" width="1.5" height="8"/></svg>',
        *(load.done, load.to_do, load.overdue),
        *(done, after_done, to_do, after_to_do, overdue),
        round(min(99.5, 100 * load.csm.weekly_load / scale), 1),
    )
