"""Somebody else's columns and words: guessed, mapped, and read only where they are clear."""

import pytest

from lifecycle.imports.columns import MappingError, settle_columns

pytestmark = pytest.mark.sqlite_only


def read(field, text, *words):
    columns = settle_columns(["external_id", field], words=words)
    return columns.row({"external_id": "A-1", field: text}).get(field, "left out")


def test_columns_are_guessed_by_name_and_the_rest_is_ignored():
    header = ["Account ID", "account_name", "industry", "plan-tier", "SEATS", "Signup date", "MRR"]
    columns = settle_columns(header)
    assert columns.source == {
        "external_id": "Account ID",
        "name": "account_name",
        "service_level": "plan-tier",
        "contracted_users": "SEATS",
        "mrr": "MRR",
        "close_date": "Signup date",
    }
    assert columns.ignored == ("industry",)


def test_our_own_name_goes_before_a_guess_and_a_mapped_column_is_taken():
    header = ["external_id", "account_id", "name", "users", "seats"]
    columns = settle_columns(header, maps=["name=account_id", "contracted_users=users"])
    assert columns.source == {"name": "account_id", "contracted_users": "users", "external_id": "external_id"}
    assert columns.ignored == ("name", "seats")


def test_a_fixed_value_goes_before_a_guess():
    columns = settle_columns(["id", "mrr"], fixed=["mrr=400.00"])
    assert columns.row({"id": "A-1", "mrr": "1.00"}) == {"external_id": "A-1", "mrr": "400.00"}
    assert columns.ignored == ("mrr",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"maps": ["colour=id"]}, "no field 'colour'"),
        ({"maps": ["name=nope"]}, "no column 'nope'; it has: id, seats"),
        ({"maps": ["name"]}, "expected field=column"),
        ({"maps": ["name=id", "name=seats"]}, "given twice"),
        ({"maps": ["mrr=seats"], "fixed": ["mrr=1.00"]}, "given twice"),
        ({"fixed": ["mrr=abc"]}, "--set mrr=abc: expected an amount like 500.00, found 'abc'."),
        ({"fixed": ["external_id=A-1"]}, "its own external_id"),
        ({"words": ["service_level=Pro"]}, "expected field:theirs=ours"),
        ({"words": ["service_level:Pro=gold"]}, "expected one of basic, standard, premium, found 'gold'"),
        ({"words": ["colour:red=basic"]}, "no field 'colour'"),
    ],
)
def test_options_that_do_not_fit_are_one_sentence(options, words):
    with pytest.raises(MappingError) as refused:
        settle_columns(["id", "seats"], **options)
    assert words in str(refused.value)


def test_without_a_key_nothing_is_guessed():
    with pytest.raises(MappingError, match=r"No column holds external_id.*--map external_id=COLUMN"):
        settle_columns(["nom", "seats"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("400", "400"),
        ("400.5", "400.5"),
        ("$1,180.00", "1180.00"),
        ("USD 1,180", "1180"),
        ("1,234,567.89", "1234567.89"),
        # unclear, so left for the checker to refuse
        ("1,18O", "1,18O"),
        ("1,18", "1,18"),
        ("1.180,00", "1.180,00"),
        ("1,1800", "1,1800"),
        ("12,34,567", "12,34,567"),
        ("€400", "€400"),
        ("-5.00", "-5.00"),
        ("400.001", "400.001"),
        ("", ""),
    ],
)
def test_money_is_read_only_where_it_is_clear(text, value):
    assert read("mrr", text) == value


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("contracted_users", "62", 62),
        ("contracted_users", "1,200", 1200),
        ("contracted_users", "62.0", 62),
        ("contracted_users", "62.5", "62.5"),
        ("contracted_users", "1,20", "1,20"),
        ("contracted_users", "", ""),
        ("service_level", "Basic", "basic"),
        ("service_level", "PREMIUM", "premium"),
        ("service_level", "Pro", "Pro"),
        ("service_level", "", "left out"),
        ("starter_package", "Yes", True),
        ("starter_package", "0", False),
        ("starter_package", "maybe", "maybe"),
        ("starter_package", "", "left out"),
        ("employee_sync", "unknown", None),
        ("employee_sync", "", None),
        ("employee_sync", "false", False),
        ("traits", "Small team; start-up", ["small_team", "start_up"]),
        ("products", "learning|compliance", ["learning", "compliance"]),
        ("products", "Learning, Credentialing Software", ["learning", "credentialing_software"]),
        ("products", "", []),
        ("products", "Yoga", ["Yoga"]),
        ("close_date", "2026-01-31", "2026-01-31"),
        ("close_date", "2026-01-31 00:00:00", "2026-01-31"),
        ("close_date", "01/31/2026", "01/31/2026"),
        ("close_date", "", None),
        ("time_zone", "", "left out"),
        ("csm", "", "left out"),
        ("name", "", ""),
    ],
)
def test_cells_become_values(field, text, value):
    assert read(field, text) == value


def test_their_words_are_translated_whatever_their_case():
    words = ("service_level:Pro=standard", "service_level:a=b=premium", "products:LMS=learning")
    assert read("service_level", "PRO", *words) == "standard"
    assert read("service_level", "A=B", *words) == "premium"
    assert read("products", "lms; compliance", *words) == ["learning", "compliance"]
