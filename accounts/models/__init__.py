from accounts.models.account import Account, AccountRow, Contact, Reroute, UsageSnapshot
from accounts.models.people import Cover, Roster, Team, User

__all__ = ["Account", "AccountRow", "Contact", "Cover", "Reroute", "Roster", "Team", "UsageSnapshot", "User"]
