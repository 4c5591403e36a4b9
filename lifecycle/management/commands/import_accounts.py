"""`import_accounts FILE`: the Imports page without the page, same engine and same words."""

import re
import sys
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from lifecycle import clock
from lifecycle.imports.columns import MappingError
from lifecycle.imports.reader import NotATableError
from lifecycle.imports.rows import FIELDS
from lifecycle.imports.table import import_accounts

REPEATED = ("--map", "--value", "--set")
PAIR = re.compile(rf"({'|'.join(FIELDS)})\s*[:=]")


def spread(words):
    """`--map a=b c=d` means `--map a=b --map c=d`; what names no field, as a file does, is left as it is."""
    option = last = ""
    for word in words:
        if option and last != option and PAIR.match(word):
            yield option
        if word.startswith("--"):
            option = word if word in REPEATED else ""
        yield word
        last = word


class Command(BaseCommand):
    help = (
        "Bring accounts in from a CSV or XLSX file: known by external_id they are updated, else created. "
        f"Fields: {', '.join(FIELDS)}."
    )

    def create_parser(self, *names, **options):
        parser = super().create_parser(*names, **options)
        parse = parser.parse_args
        parser.parse_args = lambda args=None, namespace=None: parse(
            list(spread(sys.argv[1:] if args is None else args)), namespace
        )
        return parser

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help="which column holds a field (several at once or one by one)",
        )
        parser.add_argument(
            "--value",
            action="append",
            default=[],
            metavar="FIELD:THEIRS=OURS",
            help="what a word of theirs means",
        )
        parser.add_argument(
            "--set", action="append", default=[], metavar="FIELD=VALUE", help="one value for every row"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
        parser.add_argument(
            "--errors", type=Path, metavar="FILE", help="write the failed rows there, with reasons"
        )

    def handle(self, *, file, dry_run, errors, **options):
        if errors:
            self._make_room(file, errors)
        try:
            done = import_accounts(
                file,
                by=None,
                now=clock.now(),
                maps=options["map"],
                words=options["value"],
                fixed=options["set"],
                dry_run=dry_run,
            )
        except (NotATableError, MappingError) as problem:
            raise CommandError(str(problem), returncode=2) from problem
        if done.columns.ignored:
            self.stdout.write(f"ignored columns: {', '.join(done.columns.ignored)}")
        for complaint in done.complaints():
            self.stdout.write(complaint)
        if errors:
            with errors.open("w", encoding="utf-8-sig", newline="") as out:
                done.write_failures(out)
        if dry_run:
            self.stdout.write("dry run: nothing was saved")
        count = done.outcome
        self.stdout.write(
            f"created {count.created}, updated {count.updated}, unchanged {count.unchanged}, failed {count.failed}"
        )
        if count.failed:
            sys.exit(1)

    def _make_room(self, file, errors):
        """Before anything lands: will the reasons find a place, and not in the file they are about?"""
        try:
            same = errors.exists() and errors.samefile(file)
            errors.open("a").close()
        except OSError as problem:
            raise CommandError(f"Cannot write {errors}: {problem.strerror}.", returncode=2) from problem
        if same:
            raise CommandError(f"--errors {errors} is the file to be imported; name another.", returncode=2)
