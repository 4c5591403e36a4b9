"""What is vendored is what VENDOR.json says: every file listed, with licence and hash, and nothing unlisted."""

import hashlib
import json

import pytest

from lifecycle.tests.plugin import ROOT

pytestmark = pytest.mark.sqlite_only
VENDOR = ROOT / "static" / "vendor"
LISTED = {row["file"]: row for row in json.loads((VENDOR / "VENDOR.json").read_text())}


def test_every_vendored_file_is_listed_and_every_listed_one_is_there():
    found = {str(file.relative_to(VENDOR)) for file in VENDOR.rglob("*") if file.is_file()}
    assert found - {"VENDOR.json"} == set(LISTED)


@pytest.mark.parametrize("file", sorted(LISTED))
def test_a_vendored_file_is_unchanged_and_says_where_it_is_from(file):
    row = LISTED[file]
    assert hashlib.sha256((VENDOR / file).read_bytes()).hexdigest() == row["sha256"]
    assert all(row[key].strip() for key in ("name", "version", "licence"))


def test_no_source_map_is_asked_for():
    # the manifest of collectstatic fails on a map that is not shipped
    texts = [file for file in VENDOR.rglob("*") if file.suffix in {".css", ".js"}]
    assert not [file for file in texts if b"sourceMappingURL" in file.read_bytes()]


def test_our_own_styles_and_scripts_ask_for_nothing_from_elsewhere():
    ours = [*(ROOT / "static").rglob("*.css"), *(ROOT / "static").rglob("*.js")]
    assert ours
    outside = ("http://", "https://", "url(//", "@import")
    assert not [file.name for file in ours if any(word in file.read_text() for word in outside)]
