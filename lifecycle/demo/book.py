"""The invented customers: who they are, who serves them, and which story each one is in."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from lifecycle.demo.people import CHICAGO, DENVER, LOS_ANGELES, NEW_YORK

LEARNING = ("learning", "compliance")
THREE = (*LEARNING, "credentialing_software")
ALL = (*THREE, "credentialing_service")


class Customer(NamedTuple):
    """`story` is one of `stories.STORIES`, `day` how many days ago it began (day 0, or the close)."""

    name: str
    csm: str
    users: int
    mrr: str
    level: str
    products: tuple[str, ...]
    story: str
    day: int
    smb: bool = False
    starter: bool = False
    zone: str = NEW_YORK


CUSTOMERS = (
    Customer(
        "Halden Vale Imaging", "imani", 44, "1180.00", "standard", THREE, "meeting_tomorrow", 89, zone=CHICAGO
    ),
    Customer(
        "Cedar Family Practice", "kofi", 10, "250.00", "basic", LEARNING, "all_held", 12, True, True, CHICAGO
    ),
    Customer("Osprey Hollow Clinic", "luz", 72, "860.00", "standard", LEARNING, "first_closed", 75),
    Customer("Stonewick Behavioral Health", "imani", 64, "640.00", "standard", LEARNING, "first_closed", 77),
    Customer("Copperline Physical Therapy", "imani", 58, "720.00", "standard", LEARNING, "first_closed", 87),
    Customer("Pell Street Pediatrics", "kofi", 9, "250.00", "basic", LEARNING, "untouched", 57, True, True),
    Customer("Quillstone Dental Group", "imani", 38, "640.00", "basic", LEARNING, "missed", 65),
    Customer(
        "Wickham Physical Therapy", "kofi", 22, "310.00", "basic", LEARNING, "explained", 64, zone=DENVER
    ),
    Customer("Willowmere Home Health", "imani", 66, "910.00", "premium", ALL, "meeting_today", 30),
    Customer(
        "Kettle Creek Pharmacy", "kofi", 31, "420.00", "basic", LEARNING, "meeting_today", 60, zone=CHICAGO
    ),
    Customer("Fennel and Ash Dermatology", "kofi", 48, "480.00", "basic", LEARNING, "outgrew_digital", 34),
    Customer("Northgate Health Alliance", "sunniva", 940, "9400.00", "premium", ALL, "strategic", 41),
    Customer("Juniper Row Cardiology", "imani", 83, "1450.00", "premium", THREE, "adopted", 166),
    Customer("Tidelock Urgent Care", "imani", 54, "590.00", "standard", LEARNING, "recap_late", 31),
    Customer("Amberline Dental Studio", "kofi", 12, "260.00", "basic", LEARNING, "recap_late", 61, True),
    Customer("Vellum Eye Associates", "imani", 61, "780.00", "standard", LEARNING, "call_booked", 6),
    Customer("Hollis Brook Chiropractic", "noor", 7, "250.00", "basic", LEARNING, "churned", 120, True, True),
    Customer(
        "Saint Orrin Hospice", "reza", 70, "830.00", "standard", LEARNING, "archived", 100, zone=CHICAGO
    ),
    Customer(
        "Brackenford Family Clinic", "kofi", 10, "250.00", "basic", LEARNING, "meeting_soon", 58, True, True
    ),
    Customer(
        "Marlstone Dialysis", "reza", 120, "1640.00", "premium", THREE, "final_closed", 148, zone=CHICAGO
    ),
    Customer("Lantern Row Counseling", "kofi", 14, "330.00", "basic", LEARNING, "bought_up", 40, True),
    Customer("Marrowick Hospice", "imani", 52, "610.00", "standard", LEARNING, "to_close", 33),
    Customer("Brindle Oak Oncology", "imani", 95, "1320.00", "premium", ALL, "all_held", 16),
    Customer("Thistledown Dermatology", "imani", 47, "560.00", "standard", LEARNING, "untouched", 21),
    Customer("Ostrey Orthopedics", "imani", 110, "2340.00", "premium", THREE, "to_close", 94),
    Customer("Wrenfield Podiatry", "luz", 53, "570.00", "standard", LEARNING, "untouched", 34),
    Customer("Aldermoor Surgical Partners", "luz", 140, "2100.00", "premium", ALL, "recap_late", 94),
    Customer("Cask Hollow Podiatry", "luz", 56, "615.00", "standard", LEARNING, "call_held", 9),
    Customer("Fernhollow Women's Health", "luz", 77, "1010.00", "standard", THREE, "to_close", 93),
    Customer("Larkmere Pediatrics", "imani", 59, "700.00", "standard", LEARNING, "untouched", 12),
    Customer(
        "Pinemarsh Rural Health", "imani", 68, "805.00", "standard", THREE, "one_training", 14, zone=CHICAGO
    ),
    Customer("Saltgrass Surgical Center", "imani", 88, "1275.00", "premium", THREE, "first_closed", 46),
    Customer("Gantry Urgent Care", "reza", 57, "655.00", "standard", LEARNING, "missed", 34, zone=CHICAGO),
    Customer("Ostrander Vein Center", "reza", 73, "990.00", "premium", LEARNING, "meeting_soon", 27),
    Customer("Merriden Community Dental", "noor", 28, "360.00", "basic", LEARNING, "untouched", 44),
    Customer(
        "Pike and Tamarack Optometry", "noor", 6, "250.00", "basic", LEARNING, "call_held", 8, True, True
    ),
    Customer(
        "Greywater Sleep Institute",
        "tobias",
        65,
        "745.00",
        "standard",
        LEARNING,
        "untouched",
        24,
        zone=LOS_ANGELES,
    ),
    Customer(
        "Harrow Lake Nephrology",
        "tobias",
        82,
        "1120.00",
        "premium",
        THREE,
        "first_closed",
        74,
        zone=LOS_ANGELES,
    ),
    Customer(
        "Blue Alder Midwifery", "ines", 8, "250.00", "basic", LEARNING, "untouched", 55, True, True, DENVER
    ),
    Customer(
        "Copper Basin Family Medicine",
        "ines",
        33,
        "410.00",
        "basic",
        LEARNING,
        "meeting_soon",
        57,
        zone=DENVER,
    ),
    Customer("Larch Hill Rheumatology", "sunniva", 410, "5200.00", "premium", ALL, "strategic", 72),
    Customer("Tamsin Ridge Pediatrics", "noor", 11, "275.00", "basic", LEARNING, "new", 2, True),
)
FIRST = (
    "Alder Coppice", "Birchmoor", "Calder Point", "Dunmore", "Eastlake", "Fallow Creek", "Glasswater", "Hartsel",
    "Ivory Bend", "Juno Park", "Kestrel", "Linden Cross", "Maple Arch", "Nettlefield", "Orchard Gate", "Pendry",
    "Quarry Hill", "Rosewell", "Sparrow Glen", "Thornbury", "Umber Valley", "Verity", "Westerly", "Yarrow",
)  # fmt: skip
LAST = (
    "Family Practice", "Dental Care", "Physical Therapy", "Imaging", "Pediatrics", "Dermatology", "Eye Center",
    "Home Health", "Urgent Care", "Counseling", "Orthopedics", "Women's Health", "Pharmacy", "Allergy Clinic",
)  # fmt: skip
DIGITAL_STORIES = (
    ("untouched", 9), ("adopted", 150), ("call_booked", 5), ("untouched", 26), ("meeting_soon", 56), ("new", 1),
    ("to_close", 63), ("one_training", 13), ("untouched", 47), ("adopted", 111), ("call_held", 6),
)  # fmt: skip
CORE_STORIES = (
    ("first_closed", 62), ("untouched", 5), ("adopted", 161), ("untouched", 18), ("meeting_soon", 86), ("new", 2),
    ("first_closed", 52), ("one_training", 11), ("meeting_soon", 25), ("churned", 140), ("call_booked", 7),
)  # fmt: skip
CROWD = (("kofi", False), ("luz", True), ("noor", False), ("reza", True), ("ines", False), ("tobias", True))


def customers(number: int, dice: random.Random) -> list[Customer]:
    """The first `number` customers: those with a hand-written story, then as many more as wanted."""
    names = [f"{first} {last}" for last in LAST for first in FIRST]
    dice.shuffle(names)
    more = (_one_more(place, names, dice) for place in range(number - len(CUSTOMERS)))
    return [*CUSTOMERS[:number], *more]


def _one_more(place: int, names: list[str], dice: random.Random) -> Customer:
    csm, core = CROWD[place % len(CROWD)]
    round_ = place // len(names)
    name = names[place % len(names)] + (f" {round_ + 1}" if round_ else "")
    stories = CORE_STORIES if core else DIGITAL_STORIES
    story, day = stories[(place // 2) % len(stories)]
    if core:
        facts: tuple[Any, ...] = (
            dice.randint(51, 160),
            f"{dice.randint(520, 2400)}.00",
            "standard",
            LEARNING,
        )
        return Customer(name, csm, *facts, story, day)
    starter = dice.random() < 0.5
    users = dice.randint(3, 10) if starter else dice.randint(11, 48)
    mrr = "250.00" if starter else f"{dice.randint(255, 490)}.00"
    return Customer(name, csm, users, mrr, "basic", LEARNING, story, day, starter, starter)
