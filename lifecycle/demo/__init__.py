"""Invented data to look around in: `manage.py demo`. Nothing here is used by the running product."""
