"""Mail goes out to a real server: encrypted, with a password, and what is refused says so without secrets."""

import asyncio
import gc
from pathlib import Path

import pytest

from podd.config import Mail
from podd.mail import SmtpPostman
from podd.ports import Message, Refused, Undeliverable
from tests.mail_server import PASSWORD, USER, Mailbox, certificate, mail_server

MESSAGE = Message(
    "podd-notice-1", "ada@example.org", "[lab] A test", "Grüße & <so>", "<p>Gr&uuml;&szlig;e</p>"
)


def send(box: Mailbox, password: str = PASSWORD, **settings: object) -> None:
    wish = {"host": "127.0.0.1", "port": box.port, "tls": "none", **settings}
    postman = SmtpPostman(Mail.model_validate(wish), "podd@lab.example", "lab.example", password)
    asyncio.run(postman.send(MESSAGE))


def refusal(box: Mailbox, password: str = PASSWORD, **settings: object) -> Undeliverable:
    with pytest.raises(Undeliverable) as caught:
        send(box, password, **settings)
    return caught.value


def test_a_letter_arrives_as_text_and_html_under_the_same_id_each_time() -> None:
    with mail_server() as box:
        send(box)
        send(box)
    first, second = box.heard
    assert first["Message-ID"] == second["Message-ID"] == "<podd-notice-1@lab.example>"
    assert (first["From"], first["To"], first["Subject"]) == (
        "podd@lab.example",
        "ada@example.org",
        "[lab] A test",
    )
    text, html = first.get_body(("plain",)), first.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().strip() == "Grüße & <so>"
    assert "Gr&uuml;" in html.get_content()


def test_with_starttls_a_server_is_trusted_by_its_file_and_told_the_password(
    tmp_path: Path,
) -> None:
    context, pem = certificate(tmp_path)
    with mail_server(tls=context, login=True) as box:
        send(box, tls="starttls", user=USER, ca_file=str(pem))
    assert len(box.heard) == 1


# The test's server leaves the connection of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_that_nobody_vouches_for_is_told_nothing(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    with mail_server(tls=context, login=True) as box:
        assert "certificate" in str(refusal(box, tls="starttls", user=USER))
    assert not box.heard
    gc.collect()


def test_a_wrong_password_is_tried_again_and_stands_in_no_reason(tmp_path: Path) -> None:
    context, pem = certificate(tmp_path)
    with mail_server(tls=context, login=True) as box:
        error = refusal(box, "a wrong secret", tls="starttls", user=USER, ca_file=str(pem))
    assert not isinstance(error, Refused)
    assert "wrong secret" not in str(error)


def test_a_server_without_starttls_is_not_told_anything_in_clear() -> None:
    with mail_server() as box:
        refusal(box, tls="starttls")
    assert not box.heard


def test_4xx_may_be_taken_later_and_5xx_never() -> None:
    with mail_server() as box:
        box.answers = ["451 come back later", "554 not that"]
        assert not isinstance(refusal(box), Refused)
        assert isinstance(refusal(box), Refused)
        box.refusal = "550 no such user"
        assert "550 no such user" in str(refusal(box))
        box.refusal = "450 its box is full"
        assert not isinstance(refusal(box), Refused)


def test_a_server_that_is_down_or_does_not_answer_may_take_it_later() -> None:
    with mail_server() as box:
        box.answers = ["wait"]
        assert "in time" in str(refusal(box, timeout_seconds=0.2))
    assert "no mail server" in str(refusal(box))
