"""Reminders as people ask about them: why somebody did or did not get one, and which are coming (MIL-3..5)."""
