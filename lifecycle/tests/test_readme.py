"""The README says what the code says."""

import re

import pytest

from lifecycle.tests import rules_table

pytestmark = pytest.mark.sqlite_only


def test_the_rules_table_is_the_codes():
    hint = "run: python -m lifecycle.tests.rules_table --write"
    assert rules_table.in_readme() == rules_table.table(), hint


def test_every_file_the_readme_names_exists():
    named = re.findall(r"\]\((?!https?:)([^)#]+)\)", rules_table.README.read_text())
    assert [name for name in named if not (rules_table.ROOT / name).exists()] == []
