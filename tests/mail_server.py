"""A real mail server, on a port of this machine's own."""

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.local_ports import free_port

USER, PASSWORD = "podd", "a password of the tests"


@dataclass
class Mailbox:
    """`answers` are given to messages one after the other, the last of them for ever ("" takes it), `refusal`
    to recipients; `release` ends the wait of what is answered "wait"."""

    port: int = 0
    answers: list[str] = field(default_factory=lambda: [""])
    refusal: str = ""
    heard: list[EmailMessage] = field(default_factory=list)
    asked: int = 0
    release: threading.Event = field(default_factory=threading.Event)

    async def handle_RCPT(  # noqa: N802 - named by the server
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.asked += 1
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if answer == "wait":
            await server.loop.run_in_executor(None, self.release.wait, 20)
            return "451 too late"
        if answer:
            return answer
        content = envelope.content
        assert isinstance(content, bytes)
        self.heard.append(message_from_bytes(content, policy=policy.default))
        return "250 fine"


@contextmanager
def mail_server(
    *, port: int = 0, tls: ssl.SSLContext | None = None, login: bool = False
) -> Iterator[Mailbox]:
    """With `tls` it insists on STARTTLS, with `login` on USER and PASSWORD."""
    box = Mailbox()

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        known = LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=data == known, handled=False)

    how: dict[str, Any] = {"authenticator": check, "auth_required": True} if login else {}
    if tls is not None:
        how |= {"tls_context": tls, "require_starttls": True}
    controller = Controller(box, hostname="127.0.0.1", port=port or free_port(), **how)
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        box.release.set()
        controller.stop()


def certificate(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server at 127.0.0.1 shows, and the file that its clients trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail of the tests")])
    today = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = directory / "mail.pem", directory / "mail.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key_pem)
    return context, pem
