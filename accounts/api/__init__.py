"""Accounts, and what hangs on them, over REST."""
