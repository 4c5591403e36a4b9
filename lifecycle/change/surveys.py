"""The surveys that final stages ask for (SUR-1)."""

from __future__ import annotations

from adoption.models import Survey
from lifecycle.change.book import Book
from lifecycle.rules.duties.surveys import asks_survey


def survey(book: Book) -> None:
    """SUR-1: each open final stage has its survey while the MRR asks for it. What was answered stays."""
    made, known = [], []
    for account in book.accounts.values():
        adoption = book.adoptions.get(account.pk)
        if account.archived or adoption is None or adoption.withdrawn_at is not None:
            continue
        for stage in book.stages[adoption.pk]:
            wanted = asks_survey(account.mrr, final=stage.final, policy=book.policy)
            row = book.surveys.get(stage.pk)
            if row is not None:
                row.ask(wanted, now=book.now)
                known.append(row)
            elif wanted and stage.cancelled_at is None and stage.closed_at is None:
                made.append(Survey(account=account, stage=stage))
    Survey.objects.bulk_update(known, ["withdrawn_at"])
    for row in Survey.objects.bulk_create(made):
        book.surveys[row.stage_id] = row
