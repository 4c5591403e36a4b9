"""`checklist_pdf STAGE_ID FILE [--fillable]`: the checklist's PDF without the page; it attaches itself, as there."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from adoption import pdfs
from adoption.models import Stage
from lifecycle import clock
from lifecycle.rules.refused import Refused


class Command(BaseCommand):
    help = "Export the checklist of a stage as a PDF, attach it to the stage, and write it to FILE."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("stage", type=int, metavar="STAGE_ID")
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--fillable", action="store_true", help="a PDF form that can be filled in")

    def handle(self, *, stage: int, file: Path, fillable: bool, **options: Any) -> None:
        row = Stage.objects.select_related("account__csm", "adoption").filter(pk=stage).first()
        if row is None:
            raise CommandError(f"There is no stage {stage}.")
        try:
            kept = pdfs.export(row, by=None, via="task", now=clock.now(), fillable=fillable)
            file.write_bytes(pdfs.stored(kept.content_hash).read_bytes())
        except (Refused, pdfs.PdfUnavailableError) as problem:
            raise CommandError(str(problem)) from problem
        except OSError as problem:
            raise CommandError(f"{file} cannot be written: {problem.strerror}.") from problem
        self.stdout.write(f"{file}: {kept.file_name}, content {kept.content_hash[:16]}")
