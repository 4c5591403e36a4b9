"""The plots that customers of the demo live through; each ends today with something to see."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

from accounts.models import Account
from lifecycle.demo.book import customers
from lifecycle.demo.people import furnish, make_people
from lifecycle.demo.stories import SNAPSHOT_DAYS, Deed, Play, Story, take_snapshots
from lifecycle.demo.talks import talk
from lifecycle.milestones.models import Notice


def new(s: Story) -> None:
    s.sign(s.workday(s.ago(s.customer.day)))


def call_booked(s: Story) -> None:
    s.sign(s.ago(s.customer.day))
    s.onboarding(s.at(s.ago(s.customer.day - 1)), call_scheduled_at=s.at(s.workday(s.ago(-1), 1), 14))


def call_held(s: Story) -> None:
    s.sign(s.ago(s.customer.day))
    s.call_held(s.workday(s.ago(3)))


def one_training(s: Story) -> None:
    s.sign(s.ago(s.customer.day))
    s.call_held(s.workday(s.ago(s.customer.day - 4)))
    s.trainings_held([s.workday(s.ago(2))])


def all_held(s: Story) -> None:
    """Everything is held; only the Training Completed Date is to be entered."""
    s.sign(s.ago(s.customer.day))
    s.call_held(s.workday(s.ago(s.customer.day - 3)))
    s.trainings_held([s.workday(s.ago(4)), s.workday(s.ago(4)), *[s.ago(0)] * 4])


def untouched(s: Story) -> None:
    """Adopting; nothing was done about the coming stage yet."""
    s.onboard()


def first_closed(s: Story) -> None:
    s.onboard()
    s.past()


final_closed = adopted = first_closed


def meeting_soon(s: Story) -> None:
    first_closed(s)
    s.book(s.present, s.workday(s.due(s.present), 1), 13)


def meeting_today(s: Story) -> None:
    first_closed(s)
    s.book(s.present, s.today, 11)
    s.prepare(s.present, s.workday(s.ago(1)))


def meeting_tomorrow(s: Story) -> None:
    first_closed(s)
    s.book(s.present, s.workday(s.ago(-1), 1), 10)
    s.prepare(s.present, s.ago(0), share=0.8)


def recap_late(s: Story) -> None:
    first_closed(s)
    on = s.workday(s.ago(1))
    s.book(s.present, on)
    s.prepare(s.present, s.workday(on - timedelta(days=1)))
    s.meet(s.present, on, recap=False)


def to_close(s: Story) -> None:
    first_closed(s)
    on = s.workday(s.ago(3))
    s.book(s.present, on)
    s.prepare(s.present, s.workday(on - timedelta(days=1)))
    s.meet(s.present, on)


def missed(s: Story) -> None:
    first_closed(s)
    on = s.workday(s.ago(4))
    s.book(s.present, on)
    s.stage(s.present, s.at(on, 12), meeting_held=False)


def explained(s: Story) -> None:
    """The team lead decides how to close the gap."""
    missed(s)
    reason = "The admin was out sick and nobody else could join."
    s.stage(s.present, s.at(s.workday(s.ago(3)), 9), no_meeting_reason=reason)


def outgrew_digital(s: Story) -> None:
    """ROUTE-6: the rules name another pool; the lead is asked."""
    first_closed(s)
    s.do(s.at(s.workday(s.ago(2)), 9), lambda account, now, today: account.record({"contracted_users": 62}))


def bought_up(s: Story) -> None:
    """SEG-6: a small business bought Standard."""
    first_closed(s)
    s.do(
        s.at(s.workday(s.ago(1)), 9),
        lambda account, now, today: account.record({"service_level": "standard"}),
    )


def strategic(s: Story) -> None:
    """ROUTE-4: set by hand, with a reason."""

    def by_hand(account: Account, now: datetime, today: date) -> None:
        account.set_pool("strategic", by=s.lead, reason="Twelve sites, one board: needs one face.", now=now)

    first_closed(s)
    s.do(s.at(s.zero - timedelta(days=26), 9), by_hand, s.lead)


def churned(s: Story) -> None:
    first_closed(s)
    cause = "Acquired; the new owner has its own platform."
    on = s.workday(s.ago(9))
    s.do(
        s.at(on), lambda account, now, today: account.record({"churned_on": on, "churn_cause": cause}), s.lead
    )


def archived(s: Story) -> None:
    first_closed(s)
    s.do(s.at(s.workday(s.ago(6))), lambda account, now, today: account.archive(now=now), s.lead)


PLOTS = {
    plot: globals()[plot]
    for plot in (
        *("new", "call_booked", "call_held", "one_training", "all_held", "untouched", "first_closed"),
        *(
            "final_closed",
            "adopted",
            "meeting_soon",
            "meeting_today",
            "meeting_tomorrow",
            "recap_late",
            "to_close",
        ),
        *("missed", "explained", "outgrew_digital", "bought_up", "strategic", "churned", "archived"),
    )
}


def tell(number: int, *, now: datetime) -> None:
    """Fill the database: people, then so many customers with their histories up to `now`."""
    dice = random.Random(2026)  # noqa: S311 - always the same invented data
    people = make_people(now=now - timedelta(days=365))
    play = Play(now, people, dice)
    stories = [Story(play, customer, place) for place, customer in enumerate(customers(number, dice), 1)]
    for story in stories:
        PLOTS[story.customer.story](story)
        talk(story)
    for days in SNAPSHOT_DAYS:
        at = now - timedelta(days=days)
        play.add(
            Deed(at, None, "api", None, lambda _, now, __, days=days: take_snapshots(stories, days, now))
        )
    play.run()
    furnish(people, now=now)
    # Long ago told: nobody's first digest should be a history lesson.
    Notice.objects.filter(created_at__lt=now - timedelta(days=1)).delete()
