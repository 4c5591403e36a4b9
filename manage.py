#!/usr/bin/env python
"""Runs Waymark's commands; a setting that is wrong stops here, with one sentence."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lifecycle.settings")
    try:
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed here. Type: make run")
    try:
        settings.configured or settings.DEBUG  # noqa: B018 - reading one setting loads them all
    except ImproperlyConfigured as problem:
        sys.exit(f"Waymark cannot start. {problem}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
