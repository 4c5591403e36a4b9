"""The Outbox (ux.md 4.17): every mail, where it stands, why, and what a person may do about it."""
