"""`import_accounts` and `add_user` as somebody types them."""

import csv
import io
from collections import defaultdict

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.models import Account, Team, User
from accounts.tests.factories import make_account, make_csm, make_lead, make_team
from lifecycle import clock
from lifecycle.change import change_many
from lifecycle.events.models import Event
from lifecycle.milestones.models import Milestone
from onboarding.models import Onboarding

RAVENSTACK = settings.BASE_DIR.parent / "shared" / "data" / "ravenstack" / "ravenstack_accounts.csv"
LEVELS = {"Basic": "basic", "Pro": "standard", "Enterprise": "premium"}
OPTIONS = [
    *("--map", "external_id=account_id", "--map", "name=account_name", "--map", "contracted_users=seats"),
    *("--map", "service_level=plan_tier", "--map", "close_date=signup_date", "--set", "mrr=400.00"),
    *(word for theirs, ours in LEVELS.items() for word in ("--value", f"service_level:{theirs}={ours}")),
]
FILE = 'account_id,name,seats,mrr,plan,fun\nA-1,Cedar,10,250.00,Basic,x\nA-2,Birch,62,"1,18O",Pro,y\nA-3,Elm,50,500.00,basic,z\n'


def typed(*words):
    """The exit code and the lines that are printed."""
    out = io.StringIO()
    try:
        call_command(*[str(word) for word in words], stdout=out)
    except SystemExit as left:
        return left.code, out.getvalue().splitlines()
    except CommandError as problem:
        return problem.returncode, [*out.getvalue().splitlines(), str(problem)]
    return 0, out.getvalue().splitlines()


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "accounts.csv"
    path.write_text(FILE)
    return path


needs_ravenstack = pytest.mark.skipif(
    not RAVENSTACK.exists(), reason="the shared data is not beside this clone"
)


@needs_ravenstack
def test_ravenstack_lands_whole_and_routes_as_the_rules_say(db):
    make_csm()
    make_csm(pool="core")
    code, lines = typed("import_accounts", RAVENSTACK, *OPTIONS)
    assert (code, lines[-1]) == (0, "created 500, updated 0, unchanged 0, failed 0")
    assert lines[:-1] == ["ignored columns: industry, country, referral_source, is_trial, churn_flag"]
    with RAVENSTACK.open() as file:
        theirs = {row["account_id"]: row for row in csv.DictReader(file)}
    for account in Account.objects.select_related("csm"):
        row = theirs[account.external_id]
        users, level = int(row["seats"]), LEVELS[row["plan_tier"]]
        facts = (account.name, account.contracted_users, account.service_level, str(account.mrr))
        assert facts == (row["account_name"], users, level, "400.00")
        fired = [
            *(["contracted_users"] if users > 50 else []),
            *(["service_level"] if level != "basic" else []),
        ]
        assert [reason["fact"] for reason in account.reasons] == fired
        assert account.pool == account.csm.pool == ("core" if fired else "digital")
    events = Event.objects.count()
    code, lines = typed("import_accounts", RAVENSTACK, *OPTIONS)
    assert (code, lines[-1]) == (0, "created 0, updated 0, unchanged 500, failed 0")
    assert Event.objects.count() == events


@needs_ravenstack
def test_ravenstack_needs_little_said(db):
    words = ["--value", "service_level:Pro=standard", "--value", "service_level:Enterprise=premium"]
    code, lines = typed("import_accounts", RAVENSTACK, "--set", "mrr=400.00", *words)
    assert (code, lines[-1]) == (0, "created 500, updated 0, unchanged 0, failed 0")


@needs_ravenstack
def test_cad_2_cad_3_ravenstack_gets_the_stages_and_check_ins_of_its_levels(db):
    typed("import_accounts", RAVENSTACK, *OPTIONS)
    today = clock.now().date()
    some = list(Account.objects.values_list("pk", flat=True).order_by("pk"))[::5]  # all 500 take 15 s
    with change_many(some, by=None, via="task", now=clock.now()):
        for onboarding in Onboarding.objects.filter(account__in=some).select_related("account"):
            onboarding.record({"training_completed_on": today}, today=today)
    days = {level: set() for level in LEVELS.values()}
    owed = Milestone.objects.filter(kind__in=("stage", "check_in"), status="open").select_related("account")
    per_account = defaultdict(list)
    for row in owed:
        per_account[row.account].append(row.day)
    for account, found in per_account.items():
        days[account.service_level].add(tuple(sorted(found)))
    four = {(30, 75, 90, 150)}
    assert len(per_account) == 100
    assert days == {"basic": {(60,)}, "standard": four, "premium": four}


def test_several_pairs_may_follow_one_option(db, tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("key,title,heads,plan\nA-1,Cedar,10,Bronze\nA-2,Birch,11,Gold\n")
    words = [
        *("--map", "external_id=key", "name=title", "contracted_users=heads"),
        *("--value", "service_level:Bronze=basic", "service_level:Gold=premium"),
        *("--set", "mrr=400.00", "time_zone=America/Chicago"),
    ]
    for order in ([path, *words], [*words, path]):
        assert typed("import_accounts", *order)[0] == 0
    assert set(Account.objects.values_list("name", "contracted_users", "service_level", "time_zone")) == {
        ("Cedar", 10, "basic", "America/Chicago"),
        ("Birch", 11, "premium", "America/Chicago"),
    }


def test_a_bad_line_is_told_with_number_field_value_and_expectation(db, book):
    code, lines = typed("import_accounts", book, "--value", "service_level:Pro=standard")
    assert code == 1
    assert lines == [
        "ignored columns: fun",
        "line 3, mrr: expected an amount like 500.00, found '1,18O'",
        "created 2, updated 0, unchanged 0, failed 1",
    ]
    assert typed("import_accounts", book)[1][1:3] == [
        "line 3, service_level: expected one of basic, standard, premium, found 'Pro' (column plan)",
        "line 3, mrr: expected an amount like 500.00, found '1,18O'",
    ]


def test_failed_lines_come_back_with_reasons_and_can_be_mended(db, book, tmp_path):
    book.write_text(FILE.replace("Birch", "=Birch()"))
    bad = tmp_path / "bad.csv"
    typed("import_accounts", book, "--errors", bad, "--value", "service_level:Pro=standard")
    with bad.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    reason = "mrr: expected an amount like 500.00, found '1,18O'"
    assert rows == [
        ["account_id", "name", "seats", "mrr", "plan", "fun", "reason"],
        ["A-2", "'=Birch()", "62", "1,18O", "Pro", "y", reason],
    ]
    bad.write_text(bad.read_text(encoding="utf-8-sig").replace("1,18O", "1,180"))
    code, lines = typed("import_accounts", bad, "--value", "service_level:Pro=standard")
    assert (code, lines[-1]) == (0, "created 1, updated 0, unchanged 0, failed 0")
    assert Account.objects.get(external_id="A-2").name == "=Birch()"


def test_a_dry_run_says_the_same_and_keeps_nothing(db, book):
    code, lines = typed("import_accounts", book, "--dry-run", "--set", "service_level=basic")
    assert (code, lines[-1]) == (1, "created 2, updated 0, unchanged 0, failed 1")
    assert not Account.objects.exists()


def test_a_line_that_cannot_be_read_fails_alone(db, book):
    book.write_text(FILE + "A-4,Fir\nA-1,Cedar again,11,250.00,basic,\n")
    code, lines = typed("import_accounts", book, "--set", "mrr=1.00", "--value", "service_level:Pro=standard")
    assert code == 1
    assert lines[1:] == [
        "line 2, external_id: replaced by a later row with the same id (6) (column account_id)",
        "line 5: expected 6 cells as in the header, found 2",
        "created 3, updated 0, unchanged 0, failed 2",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere.csv"],
        ["{book}", "--map", "colour=fun"],
        ["{book}", "--map", "name=nope"],
        ["{book}", "--set", "mrr=abc"],
        ["{book}", "--value", "service_level:Pro=gold"],
        ["{book}", "--errors", "{book}"],
        ["{book}", "--errors", "/nowhere/at/all.csv"],
        ["{pdf}"],
    ],
)
def test_what_cannot_be_used_ends_with_two_and_one_sentence(db, book, tmp_path, words):
    pdf = tmp_path / "accounts.pdf.csv"
    pdf.write_bytes(b"%PDF-1.7\n")
    code, lines = typed("import_accounts", *(word.format(book=book, pdf=pdf) for word in words))
    assert (code, len(lines)) == (2, 1)
    assert lines[0].endswith(".")
    assert not Account.objects.exists()
    assert book.read_text() == FILE


# --- people


def test_people_are_made_with_team_pool_and_password(db):
    code, lines = typed(
        "add_user",
        "Ana.Lopez@Example.com",
        "bob@example.com",
        "--role",
        "csm",
        "--team",
        "East",
        "--password",
        "correct horse",
    )
    assert (code, lines) == (
        0,
        [
            "created ana.lopez@example.com, csm, digital, team East",
            "created bob@example.com, csm, digital, team East",
        ],
    )
    ana = User.objects.get(email="ana.lopez@example.com")
    assert (ana.name, ana.pool, ana.team.name, ana.time_zone) == ("Ana Lopez", "digital", "East", "UTC")
    assert ana.check_password("correct horse")
    assert ana.is_active


def test_an_update_keeps_what_is_not_given(db):
    typed(
        "add_user",
        "ana@example.com",
        "--role",
        "csm",
        "--pool",
        "core",
        "--team",
        "East",
        "--password",
        "correct horse",
    )
    code, lines = typed("add_user", "ANA@example.com", "--role", "csm", "--time-zone", "America/Chicago")
    assert (code, lines) == (0, ["updated ana@example.com, csm, core, team East"])
    ana = User.objects.get(email="ana@example.com")
    assert (ana.pool, ana.time_zone, ana.team.name) == ("core", "America/Chicago", "East")
    assert ana.check_password("correct horse")


def test_a_lead_leads_and_a_manager_manages_their_team(db):
    typed("add_user", "joss@example.com", "--role", "team_lead", "--team", "East")
    typed("add_user", "max@example.com", "--role", "manager", "--team", "East")
    team = Team.objects.get(name="East")
    assert (team.lead.email, team.manager.email) == ("joss@example.com", "max@example.com")
    typed("add_user", "joss@example.com", "--role", "viewer")
    assert Team.objects.get(name="East").lead is None


def test_the_milestones_follow_a_new_lead(db):
    team = make_team(lead=make_lead("old@example.com"))
    account = make_account(csm=make_csm(team=team))
    typed("add_user", "new@example.com", "--role", "team_lead", "--team", team.name)
    assert Team.objects.get(pk=team.pk).lead.email == "new@example.com"
    assert Account.objects.get(pk=account.pk).csm.team.lead.email == "new@example.com"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["not-an-address", "--role", "csm"], "'not-an-address' is not an e-mail address."),
        (
            ["a@example.com", "--role", "viewer", "--pool", "core"],
            "Only a CSM serves a pool: leave --pool out, or say --role csm.",
        ),
        (
            ["a@example.com", "--role", "csm", "--time-zone", "Mars"],
            "'Mars' is not a time zone. Use an IANA name like America/Chicago.",
        ),
        (["a@example.com", "--role", "csm", "--password", ""], "The password is empty."),
        (["a@example.com", "--role", "csm", "--team", " "], "' ': expected a team's name, found nothing."),
        (["a@example.com", "bad", "--role", "csm"], "'bad' is not an e-mail address."),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(db, words, said):
    assert typed("add_user", *words) == (1, [said])
    assert not User.objects.exists()


def test_nobody_leaves_accounts_behind(db):
    csm = make_csm("ana@example.com")
    make_account(csm=csm)
    code, lines = typed("add_user", "ana@example.com", "--role", "viewer")
    assert (code, lines) == (1, ["ana@example.com serves 1 accounts as CSM; hand them over first."])
