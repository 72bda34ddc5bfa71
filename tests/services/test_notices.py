"""Notices: what happens is told once to whom it concerns, however long mail and channels are away."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from podd.channels import ApprisePostman
from podd.config import Mail
from podd.domain.account import OPERATOR, Caller
from podd.domain.errors import NotFound
from podd.domain.gpu import GpuFault
from podd.mail import SmtpPostman
from podd.ports import Message, Undeliverable
from podd.services import accounts, gpus, notices, pods, retention
from podd.services.notices import CHANNEL, MAIL, Letters
from podd.store import events
from podd.store.notices import Listed
from tests.mail_server import Mailbox, mail_server
from tests.receiver import receiving
from tests.services.lab import Lab

NewLab = Callable[..., Lab]

WITH_MAIL: dict[str, dict[str, Any]] = {
    "mail": {"host": "mail.example.org"},
    "notices": {"operator_mail": ["root@example.org"], "channels": {"home": "json://example.org"}},
}


class Post:
    """Takes every letter, unless it is in `trouble`."""

    def __init__(self) -> None:
        self.letters: list[Message] = []
        self.trouble: Undeliverable | None = None

    async def send(self, message: Message) -> None:
        if self.trouble:
            raise self.trouble
        self.letters.append(message)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(letter.address, letter.title.partition("] ")[2]) for letter in self.letters]


@pytest.fixture
def mailed(new_lab: NewLab) -> Lab:
    """Mail, and one channel for the operator."""
    return new_lab(more_settings=WITH_MAIL)


def go_round(lab: Lab, post: Any) -> None:
    """Whatever is due goes out."""
    lab.run(_go_round(lab, {MAIL: post, CHANNEL: post}))


async def _go_round(lab: Lab, postmen: Any) -> None:
    letters = Letters(lab.podd, postmen)
    for _ in range(2):
        await letters.tick(lab.now)
        await asyncio.gather(*(t for t in asyncio.all_tasks() if t is not asyncio.current_task()))


def states(lab: Lab) -> list[str]:
    return [one.state for one in listed(lab)]


def listed(lab: Lab, account: str = "") -> list[Listed]:
    return lab.ask(notices.listed, OPERATOR, account, 1000)


def displaced(lab: Lab, caller: Caller | None = None) -> str:
    """A pod of the account, out of its GPU for an on-demand pod."""
    spot = lab.pod(caller, bid=300_000_000)
    other = lab.pod(lab.account(f"{spot.id}@example.org"), gpu_count=2)
    lab.terminate(other, Caller(lab.caller.kind, account_id=other.workload.account_id))
    return spot.name


# Who is told


def test_a_displaced_pods_owner_is_told_why_and_nobody_else(mailed: Lab) -> None:
    post = Post()
    name = displaced(mailed)
    go_round(mailed, post)
    assert post.told == [("ada@example.org", f"Pod {name} was displaced")]
    assert "went to an on-demand pod or a higher bid" in post.letters[0].text
    assert states(mailed) == ["sent"]
    go_round(mailed, post)
    assert len(post.letters) == 1


def test_the_operator_is_told_of_a_faulty_gpu_and_its_holder_too(mailed: Lab) -> None:
    post, pod = Post(), mailed.pod()
    mailed.do(gpus.note_fault, mailed.podd, GpuFault(("g0",), "Xid 79", fatal=True), mailed.now)
    go_round(mailed, post)
    assert sorted(address for address, _ in post.told) == ["ada@example.org", "home", "root@example.org"]
    assert ("ada@example.org", f"A GPU of pod {pod.name} is faulty") in post.told
    assert all("Xid 79" in letter.text for letter in post.letters)


def test_what_a_container_wrote_is_in_no_letter(mailed: Lab) -> None:
    post, pod = Post(), mailed.pod()
    workload = pod.workload
    mailed.do(pods.give_up, mailed.podd, workload, "It ended.", mailed.now, private=" password=hunter2")
    go_round(mailed, post)
    assert "It ended." in post.letters[0].text
    assert "hunter2" not in post.letters[0].text + post.letters[0].html


def test_what_an_account_has_turned_off_it_is_not_told(mailed: Lab) -> None:
    mailed.do(accounts.change_extras, mailed.caller, {"notifyPodsGeneral": False, "notifyLowBalance": False})
    post = Post()
    displaced(mailed)
    for kind in ("credit low", "removal scheduled"):
        mailed.do(events.add, mailed.caller.account_id, kind, "in words", mailed.now)
    go_round(mailed, post)
    assert post.told == [("ada@example.org", "Your data will be removed")]


def test_the_operator_hears_everything_where_that_is_set(new_lab: NewLab) -> None:
    more = {**WITH_MAIL, "notices": {"channels": {"home": "json://x"}, "operator_hears": "everything"}}
    lab, post = new_lab(more_settings=more), Post()
    displaced(lab)
    go_round(lab, post)
    assert {address for address, _ in post.told} == {"ada@example.org", "home"}


def test_html_in_names_is_text(mailed: Lab) -> None:
    post = Post()
    pod = mailed.pod(name="<b>x</b>")
    mailed.do(pods.halt, mailed.podd, pod, "<i>why</i>", mailed.now)
    go_round(mailed, post)
    assert "<b>" not in post.letters[0].html
    assert "&lt;b&gt;x" in post.letters[0].html
    assert "<i>why</i>" in post.letters[0].text


# How often


def test_a_crash_loop_is_a_letter_at_once_and_then_one_for_each_pause(mailed: Lab) -> None:
    post, pod = Post(), mailed.pod()
    for _ in range(60):
        mailed.do(events.add, pod.id, "failed", "again", mailed.now)
        go_round(mailed, post)
        mailed.pass_time(seconds=60)
    assert len(post.letters) == 4
    assert sum(letter.text.count("cannot run\n") for letter in post.letters) == 46  # the rest is yet to come
    mailed.pass_time(seconds=900)
    go_round(mailed, post)
    assert set(states(mailed)) == {"sent"}


def test_a_letter_shows_the_first_and_says_how_many_more_there_are(new_lab: NewLab) -> None:
    limits = {**WITH_MAIL["notices"], "notices_per_letter": 3}
    lab, post = new_lab(more_settings={**WITH_MAIL, "notices": limits}), Post()
    pod = lab.pod()
    for number in range(10):
        lab.do(events.add, pod.id, "failed", f"number {number}", lab.now)
    go_round(lab, post)
    (letter,) = post.letters
    assert "number 2" in letter.text
    assert "number 3" not in letter.text
    assert "And 7 more." in letter.text


# What goes wrong


def test_nothing_is_lost_while_the_mail_server_is_down_for_days(mailed: Lab) -> None:
    post, down = Post(), Post()
    down.trouble = Undeliverable("no mail server: Connection refused")
    displaced(mailed)
    for _ in range(6 * 24):
        go_round(mailed, down)
        mailed.restart() if mailed.now % 7 == 0 else None
        mailed.pass_time(hours=1)
    (one,) = listed(mailed)
    assert (one.state, one.reason) == ("waiting", "no mail server: Connection refused")
    go_round(mailed, post)
    assert len(post.letters) == 1
    assert states(mailed) == ["sent"]


def test_what_never_arrives_is_given_up_with_an_event(mailed: Lab) -> None:
    down = Post()
    down.trouble = Undeliverable("no mail server")
    displaced(mailed)
    go_round(mailed, down)
    mailed.pass_time(days=8)
    go_round(mailed, down)
    assert states(mailed) == ["given up"]
    assert "notice given up" in mailed.events(mailed.caller.account_id)
    mailed.pass_time(days=31)
    mailed.run(retention.tick(mailed.podd, mailed.now))
    assert listed(mailed) == []


def test_without_anything_set_up_notices_go_nowhere_and_wait_for_nothing(lab: Lab) -> None:
    post = Post()
    displaced(lab)
    go_round(lab, post)
    assert (post.letters, states(lab)) == ([], ["nowhere"])


def test_a_real_server_that_is_away_busy_and_back_gets_each_letter_once(mailed: Lab) -> None:
    def server(box: Mailbox) -> SmtpPostman:
        settings = Mail(host="127.0.0.1", port=box.port, tls="none")
        return SmtpPostman(settings, "podd@lab.example", "lab.example", "")

    displaced(mailed)
    with mail_server() as box:
        port = box.port
    go_round(mailed, server(box))
    mailed.pass_time(hours=1)
    with mail_server(port=port) as box:
        box.answers = ["451 greylisted", ""]
        for _ in range(4):
            go_round(mailed, server(box))
            mailed.pass_time(hours=1)
    assert (box.asked, len(box.heard)) == (2, 1)
    assert box.heard[0]["To"] == "ada@example.org"
    (one,) = listed(mailed)
    assert (one.state, one.tries) == ("sent", 3)


def test_a_refused_recipient_is_given_up_at_once(mailed: Lab) -> None:
    displaced(mailed)
    with mail_server() as box:
        box.refusal = "550 no such user"
        settings = Mail(host="127.0.0.1", port=box.port, tls="none")
        go_round(mailed, SmtpPostman(settings, "podd@lab.example", "lab.example", ""))
    (one,) = listed(mailed)
    assert (one.state, one.tries) == ("given up", 1)
    assert "550 no such user" in one.reason


# A plugin of apprise that is not used here, too, is imported.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_channels_are_told_and_their_urls_stand_nowhere(mailed: Lab) -> None:
    with receiving() as receiver:
        url = receiver.url.replace("http://", "json://user:secret-token@")
        settings = mailed.settings.notices.model_validate({"channels": {"home": url}})
        mailed.do(notices.test, OPERATOR, "", mailed.now)
        go_round(mailed, ApprisePostman(settings.channels))
        assert "podd's notices reach you" in receiver.heard[0]["message"]
    by_address = {one.address: one for one in listed(mailed)}
    assert by_address["home"].state == "sent"
    assert by_address["root@example.org"].state == "given up"  # no such channel
    mailed.pass_time(hours=1)
    mailed.do(notices.test, OPERATOR, "", mailed.now)
    go_round(mailed, ApprisePostman(settings.channels))
    assert all("secret-token" not in one.reason for one in listed(mailed))
    assert "secret-token" not in repr(settings)


def test_a_test_goes_to_the_operator_or_to_an_account(mailed: Lab) -> None:
    post = Post()
    mailed.do(notices.test, OPERATOR, "", mailed.now)
    mailed.do(notices.test, OPERATOR, "ada@example.org", mailed.now)
    with pytest.raises(NotFound):
        mailed.do(notices.test, OPERATOR, "nobody@example.org", mailed.now)
    go_round(mailed, post)
    assert {address for address, _ in post.told} == {"ada@example.org", "home", "root@example.org"}
    assert len(listed(mailed, "ada@example.org")) == 1
