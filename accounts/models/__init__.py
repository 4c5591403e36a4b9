from accounts.models.account import Account, AccountRow, Reroute, UsageSnapshot
from accounts.models.contact_log import Activity, Opportunity
from accounts.models.contacts import Contact
from accounts.models.people import Cover, Roster, Team, User

__all__ = [
    "Account",
    "AccountRow",
    "Activity",
    "Contact",
    "Cover",
    "Opportunity",
    "Reroute",
    "Roster",
    "Team",
    "UsageSnapshot",
    "User",
]
