"""Row 17: a full disk, under the database, the mail folder, or where uploads wait. Nothing is half kept."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from django.db import connection

from accounts.models import Account
from accounts.tests.factories import make_csm, make_lead, make_team
from lifecycle import clock
from lifecycle.mail.dispatch import SMTP
from lifecycle.mail.models import Circuit, Message
from lifecycle.tests.faults.conftest import scratch
from lifecycle.tests.faults.kit import Cluster, World
from lifecycle.tests.faults.kit.site import Site
from lifecycle.tests.servers import eventually
from onboarding.models import Onboarding

pytestmark = [pytest.mark.fault, pytest.mark.sqlite_only, pytest.mark.timeout(300)]

MEGABYTE = 1024 * 1024
RECOVERY_SECONDS = 10
WRITERS = 3
REFUSALS = 25


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A disk of that size. Fails where mounting one is not permitted: a suite without this row has proven less."""
    with scratch("disk") as folder:
        words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", folder]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert not done.returncode, f"row 17 mounts a tmpfs, which is refused here: {done.stderr.strip()}"
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def full(folder: Path, *, leaving: int = 0) -> Iterator[None]:
    """Not a byte left on that disk, or so many."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        if leaving:
            (folder / "spared").write_bytes(bytes(leaving))
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            while True:
                file.write(bytes(4096))
        (folder / "spared").unlink(missing_ok=True)
    try:
        yield
    finally:
        filler.unlink()


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk(160) as folder:
        yield folder


@pytest.fixture
def cluster(disk: Path) -> Iterator[Cluster]:
    """In the place of the session's, for `world`."""
    (disk / "pg").mkdir()
    cluster = Cluster(disk / "pg", max_wal_size="48MB", min_wal_size="32MB")
    cluster.start()
    yield cluster
    cluster.stop()


def test_row_17_is_not_skipped_where_no_disk_can_be_mounted():
    with pytest.raises(AssertionError, match="row 17 mounts a tmpfs"), small_disk(-1):
        pass


def test_row_17_what_was_acknowledged_on_a_full_disk_is_there(world: World, cluster: Cluster, disk, figures):
    team = make_team()
    lead = make_lead(team=team)
    make_csm(team=team)
    world.sink.set(delay=0.02)
    world.make_due(3000)
    world.dispatcher()
    site = Site(world, lead, folder=disk, API_RATE="1000000/min")
    postmaster = cluster.server.pid
    over = threading.Event()
    kept: list[str] = []
    statuses: Counter[int] = Counter()

    def write(number: int) -> None:
        for n in count():
            answer = site.put_account(f"w{number}-{n}")
            statuses[answer.status] += 1
            if answer.status == 201:
                kept.append(f"w{number}-{n}")
            else:
                assert answer.is_problem, answer
            if over.wait(0.02):
                return

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(kept) > 10, what="writes")
    with full(disk):
        eventually(lambda: statuses[503] >= REFUSALS, 60, "writes are refused")
        at_full = len(kept)
        assert site.ask("GET", "/livez").status == 200
        told = site.ask("GET", "/healthz", Authorization=f"Bearer {site.token}")
    freed = time.monotonic()
    eventually(lambda: len(kept) > at_full + WRITERS, 20, "writes are taken again")
    seconds = time.monotonic() - freed
    over.set()
    for thread in threads:
        thread.join()
    world.call_off()
    world.settle(120)
    connection.close()

    found = Counter(Account.objects.filter(external_id__startswith="w").values_list("external_id", flat=True))
    assert found == dict.fromkeys(kept, 1)
    assert set(Onboarding.objects.values_list("account__external_id", flat=True)) == set(kept)
    assert set(statuses) == {201, 503}
    assert b"The disk has 0 MB left." in told.body
    assert seconds <= RECOVERY_SECONDS
    assert cluster.server.pid == postmaster and cluster.server.poll() is None
    assert all(process.is_alive for process in world.processes)
    figures(
        row=17,
        case="database",
        **world.tally(Message.objects.count()),
        acknowledged=len(kept),
        present=len(found),
        answered_503=statuses[503],
        back_s=round(seconds, 1),
    )
    world.check()


def test_row_17_a_full_mail_folder_holds_mail_back_and_keeps_no_part_of_one(world: World, figures):
    mails = 60
    with small_disk(4) as disk:
        words = {"subject": "Long", "text": "All work and no play.\n" * 1500}
        world.make_due(mails, payload=words)
        with full(disk, leaving=MEGABYTE):
            world.dispatcher(EMAIL_URL="", VAR_DIR=str(disk))
            circuit = Circuit.objects.filter(name=SMTP, opened_at__isnull=False)
            eventually(circuit.exists, 60, "the circuit opens")
            assert circuit.get().reason == os.strerror(errno.ENOSPC)
            assert f"has not worked for 0 minutes: {os.strerror(errno.ENOSPC)}" in world.told()
            some = complete(disk)
            assert 0 < some < mails
            assert world.states()["sent"] == some
            assert not Message.objects.filter(state="dead").exists()
        circuit.update(probe_at=clock.now())
        world.settle()
        assert world.states() == {"sent": mails}
        assert complete(disk) == mails
    assert not Message.objects.exclude(attempts=1, uncertain=False).exists()
    figures(row=17, case="mail folder", mails=mails, sent=mails, lost=0, partial_files=0)
    world.check()


def complete(disk: Path) -> int:
    """How many mails the folder holds; every file in it is a whole one."""
    files = list((disk / "mail").iterdir())
    sums = set(Message.objects.filter(state="sent").values_list("raw_sha256", flat=True))
    assert {hashlib.sha256(file.read_bytes()).hexdigest() for file in files} == sums
    return len(files)


def test_row_17_an_upload_that_finds_no_room_is_a_503_and_leaves_nothing_behind(world: World, figures):
    lead = make_lead(team=make_team())
    with small_disk(4) as disk:
        site = Site(world, lead, TMPDIR=str(disk))
        assert site.upload("/accounts/new/", 3 * MEGABYTE).status == 422  # the form is shown again
        before = sorted(disk.iterdir())
        with full(disk, leaving=MEGABYTE):
            answer = site.upload("/accounts/new/", 3 * MEGABYTE)
            assert answer.status == 503 and b"cannot reach its data" in answer.body
        eventually(lambda: sorted(disk.iterdir()) == before, 10, "the part of it goes")
        assert site.upload("/accounts/new/", 3 * MEGABYTE).status == 422
    figures(row=17, case="uploads", partial_files=0)
    world.check()
