"""Rows 9 to 12: mail servers that refuse, dawdle, put off, or cannot be trusted."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings as site
from django.db.models import F, Max

from lifecycle import clock
from lifecycle.mail import backends
from lifecycle.mail.dispatch import MOST_TRIES, SMTP, drain
from lifecycle.mail.models import Attempt, Circuit, Message
from lifecycle.tests.faults.kit import World
from lifecycle.tests.servers import eventually

pytestmark = [pytest.mark.fault, pytest.mark.sqlite_only, pytest.mark.timeout(300)]

MAILS = 1000
MINUTE = timedelta(minutes=1)


def is_open() -> bool:
    """The circuit: whether mail waits for a server that fails."""
    return Circuit.objects.filter(name=SMTP, opened_at__isnull=False).exists()


def the_minute_is_over() -> None:
    """Until the next message may ask whether the server works again."""
    Circuit.objects.filter(name=SMTP).update(probe_at=clock.now())


def untouched(world: World) -> None:
    """No mail is blamed for what its server does."""
    assert not Message.objects.exclude(state__in=("due", "retry", "claimed")).exists(), world.states()
    assert not Message.objects.filter(uncertain=True).exists()
    assert Message.objects.filter(state__in=("due", "retry")).aggregate(Max("attempts"))["attempts__max"] == 0


# --- row 9


def test_row_9_an_hour_of_refused_connections_costs_no_mail_a_try(world: World, settings, figures):
    now = clock.now()
    ages = list(range(60, 0, -3))
    world.random.shuffle(ages)
    for age in ages:
        world.make_due(MAILS // len(ages), not_before=now - age * MINUTE)
    world.sink.set(open=False)

    settings.MAIL_TRANSPORT = "lifecycle.mail.backends.SmtpBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", world.sink.port
    for age in range(60, 0, -1):
        assert drain(now=now - age * MINUTE) == {"waiting": 1}
    untouched(world)
    assert Attempt.objects.count() == 1  # one line tells of the outage, not one a minute

    world.dispatcher(), world.dispatcher()
    asked = Circuit.objects.get().probe_at
    eventually(lambda: Circuit.objects.get().probe_at > asked, what="a process asks the server")
    untouched(world)
    assert "The mail server has not worked for 60 minutes" in world.told()
    waited = Circuit.PROBE_SECONDS - 10  # the last ten seconds of the minute are waited for in earnest
    Circuit.objects.update(probe_at=F("probe_at") - timedelta(seconds=waited))
    world.sink.set(open=True)
    opened = time.monotonic()
    world.settle(200)
    seconds = time.monotonic() - opened + waited

    assert world.states() == {"sent": MAILS}
    assert not Message.objects.exclude(attempts=1, uncertain=False).exists()
    assert seconds <= 300
    due = dict(Message.objects.values_list("message_id", "not_before"))
    came = [due[line["id"]] for line in world.sink.contents()]
    early = max(abs(place - rank) for rank, place in enumerate(sorted(range(MAILS), key=lambda n: came[n])))
    assert early <= MAILS // len(ages) // 2, "not the oldest first"
    assert not is_open()
    figures(row=9, gone_after=round(seconds), **world.tally(MAILS))
    world.check()


# --- row 10


@pytest.mark.parametrize("at", ["rcpt", "end"])
def test_row_10_a_server_that_falls_silent_holds_up_one_sender_alone(world: World, figures, at):
    """Time limits are a third of the lease at most: six seconds here, 300 for the last answer in life."""
    lease, senders = 18, 2
    world.sink.set(delay=0.03, hang="silent-", at=at)
    now = clock.now()
    world.make_due(200, not_before=now - 3 * MINUTE)
    world.make_due(1, not_before=now - 2 * MINUTE, address="silent-1@example.com")
    world.make_due(2000, not_before=now - MINUTE)
    for _ in range(senders):
        world.dispatcher(MAIL_LEASE_SECONDS=str(lease))
    eventually(lambda: Message.objects.get(address__startswith="silent-").attempts, what="it is tried")
    silent = Message.objects.filter(address__startswith="silent-")
    eventually(lambda: silent.filter(state="retry").exists(), lease, "the sender gives up in time")
    for process in world.processes:
        process.end()

    (hung,) = world.sink.events("hangs")
    let_go = next(line["at"] for line in world.sink.events("gone") if line["talk"] == hung["talk"])
    came = [line["at"] for line in world.sink.contents() if not line["to"].startswith("silent-")]
    before = [at for at in came if at < hung["at"]]
    meanwhile = [at for at in came if hung["at"] < at < let_go]
    usual = len(before) / (hung["at"] - before[0]) / senders
    keeps = len(meanwhile) / (let_go - hung["at"]) / usual
    assert keeps >= 0.5
    assert let_go - hung["at"] < lease
    assert not Attempt.objects.filter(outcome__in=("interrupted", "server failing")).exists()
    message = silent.get()
    assert (message.attempts, message.uncertain) == (1, at == "end")
    assert world.health()["uncertain"] == (at == "end")
    figures(
        row=10,
        case=at,
        other_keeps=f"{keeps:.0%}",
        given_up_after=round(let_go - hung["at"], 1),
    )

    world.sink.set(hang="", delay=0.0)
    Message.objects.filter(state="due").update(state="cancelled", reason="Called off by the test.")
    world.hurry()
    world.dispatcher()
    world.settle(200)
    assert set(world.states()) == {"sent", "cancelled"}
    world.check()


def test_row_10_a_server_that_takes_its_time_for_every_line_is_waited_for(world: World):
    world.sink.set(line_delay=0.3)
    world.make_due(5)
    world.dispatcher()
    world.settle(200)
    assert world.states() == {"sent": 5}
    assert not Message.objects.exclude(attempts=1).exists()
    world.check()


def test_row_10_all_time_limits_together_are_shorter_than_the_lease():
    """The marker before the content renews the lease, so each side of it must fit into one."""
    connecting = backends.CONNECT_SECONDS + site.EMAIL_TIMEOUT * len(
        ("greeting", "EHLO", "STARTTLS", "handshake", "EHLO", "AUTH", "user", "password", "MAIL", "RCPT")
    )
    content = 2 * backends.REPLY_SECONDS
    assert connecting < site.MAIL_LEASE_SECONDS and content < site.MAIL_LEASE_SECONDS


# --- row 11


def test_row_11_what_is_put_off_comes_again_and_what_is_refused_is_listed(world: World, figures):
    refused = 30
    far = clock.now() + timedelta(days=30)
    world.make_due(MAILS - refused, expires_at=far)
    for n in range(refused):
        world.make_due(1, expires_at=far, address=f"nobody-{n}@example.com")
    world.sink.set(later=0.3, nobody="nobody-", at="rcpt")
    world.dispatcher(), world.dispatcher()
    for turn in range(MOST_TRIES):
        eventually(lambda: world.under_way() == put_off(), 100, "all are tried")
        if not turn:
            assert_first_pause()
            world.sink.set(at="end")  # from now on only after the content
        world.hurry()
    world.settle(200)

    dead = dict(Message.objects.filter(state="dead").values_list("address", "attempts"))
    never = {f"nobody-{n}@example.com" for n in range(refused)}
    worn_out = {address for address, tries in dead.items() if tries == MOST_TRIES} - never
    assert dead.keys() == never | worn_out  # 0.3 to the eighth power of them on average
    assert {dead[address] for address in never} == {1}
    assert world.states() == {"sent": MAILS - len(dead), "dead": len(dead)}
    assert not Message.objects.filter(state="dead", reason="").exists()
    assert world.sink.repeats().total() == 0
    assert f"{len(dead)} mails could not be sent." in world.told()
    figures(row=11, dead=len(dead), worn_out=len(worn_out), **world.tally(MAILS))
    world.check()


def put_off() -> int:
    soon = clock.now() + timedelta(seconds=5)
    return Message.objects.filter(state="retry", not_before__gt=soon).count()


def assert_first_pause() -> None:
    """A minute, give or take a fifth."""
    rows = Message.objects.filter(state="retry", attempts=1)
    pauses = [
        (m.not_before - m.history.get().started_at).total_seconds() for m in rows.prefetch_related("history")
    ]
    assert len(pauses) > MAILS / 5
    assert min(pauses) >= 47 and max(pauses) <= 78, (min(pauses), max(pauses))


# --- row 12


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> dict[str, str]:
    """One that senders trust and one that they do not: `certificate file:key file`."""
    folder = tmp_path_factory.mktemp("certificates")
    return {name: certify(folder, name) for name in ("trusted", "foreign")}


def certify(folder: Path, name: str) -> str:
    key, names = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(names, names, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(address, critical=True).sign(key, hashes.SHA256())
    files = folder / f"{name}.pem", folder / f"{name}.key"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files[0].write_bytes(signed.public_bytes(pem))
    files[1].write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return ":".join(map(str, files))


FAULTS: dict[str, dict[str, Any]] = {
    "wrong password": {"login": "waymark:another"},
    "bad certificate": {"tls": "foreign"},
    "421": {"greeting": "421 too busy"},
    "no STARTTLS": {"tls": ""},
}


def test_row_12_a_server_that_cannot_be_used_opens_the_circuit_and_burns_no_try(
    world: World, certificates, figures
):
    well = {"login": "waymark:right", "tls": certificates["trusted"], "greeting": "220 sink"}
    url = world.sink.url.replace("smtp://", "smtp+tls://waymark:right@")
    world.dispatcher(EMAIL_URL=url, SSL_CERT_FILE=certificates["trusted"].partition(":")[0])
    for name, fault in FAULTS.items():
        world.sink.set(**well | fault | ({"tls": certificates["foreign"]} if fault.get("tls") else {}))
        sent = world.states()["sent"]
        world.make_due(MAILS // len(FAULTS))
        eventually(is_open, what=name)
        the_minute_is_over()
        time.sleep(3)  # it asks once more, and goes on waiting
        assert world.states()["sent"] == sent
        assert not Message.objects.filter(state="dead").exists()
        waiting = Message.objects.filter(state__in=("due", "retry"))
        assert waiting.count() == MAILS // len(FAULTS)
        assert waiting.aggregate(Max("attempts"))["attempts__max"] == 0, name
        assert "The mail server has not worked for 0 minutes: " in world.told()
        world.sink.set(**well)
        the_minute_is_over()
        world.settle(200)
    assert world.states() == {"sent": MAILS}
    plain = [line for line in world.sink.contents() if not line["secure"]]
    assert plain == [] and all(line["secure"] for line in world.sink.events("auth"))
    assert not Message.objects.exclude(attempts=1, uncertain=False).exists()
    figures(row=12, dead=0, plain=0, faults=len(FAULTS), **world.tally(MAILS))
    world.check()
