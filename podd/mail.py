"""Sends letters by mail, over SMTP."""

import asyncio
import ssl
from email.message import EmailMessage
from email.utils import formatdate

import aiosmtplib
from aiosmtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from podd.config import Mail
from podd.ports import Message, Refused, Undeliverable

LONGEST_REASON = 300


class SmtpPostman:
    """A connection for each letter: they are few. `sender` is the address they come from, `domain` the name
    of this machine, `password` what the server is told."""

    def __init__(self, settings: Mail, sender: str, domain: str, password: str) -> None:
        self._settings = settings
        self._sender = sender
        self._domain = domain
        self._password = password

    async def send(self, message: Message) -> None:
        settings = self._settings
        try:
            await aiosmtplib.send(
                self._mail(message),
                hostname=settings.host,
                port=settings.real_port,
                username=settings.user or None,
                password=self._password if settings.user else None,
                local_hostname=self._domain,
                timeout=settings.timeout_seconds,
                use_tls=settings.tls == "tls",
                start_tls=settings.tls == "starttls",
                tls_context=await asyncio.to_thread(self._tls),
            )
        except SMTPRecipientsRefused as error:
            refusal = error.recipients[0]
            raise _trouble(refusal.code, refusal.message, "recipient") from None
        except aiosmtplib.SMTPDataError as error:
            raise _trouble(error.code, error.message, "message") from None
        except aiosmtplib.SMTPAuthenticationError as error:
            # The server's words may repeat what it was told.
            raise Undeliverable(f"the mail server does not take the password ({error.code})") from None
        except SMTPResponseException as error:
            raise Undeliverable(_said(error.code, error.message, "letter")) from None
        except TimeoutError:
            raise Undeliverable("the mail server did not answer in time") from None
        except ssl.SSLCertVerificationError:
            raise Undeliverable("the mail server's certificate is not valid") from None
        except (SMTPException, OSError, ValueError) as error:
            raise Undeliverable(f"no mail server: {_cause(error)}"[:LONGEST_REASON]) from None

    # Private

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._sender
        mail["To"] = message.address
        mail["Subject"] = " ".join(message.title.split())
        mail["Date"] = formatdate()
        mail["Message-ID"] = f"<{message.id}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        return mail

    def _tls(self) -> ssl.SSLContext | None:
        if self._settings.tls == "none":
            return None
        return ssl.create_default_context(cafile=self._settings.ca_file or None)


def _trouble(code: int, said: str, what: str) -> Undeliverable:
    """What the server says of this letter: from 500 on it will never be otherwise."""
    return (Refused if code >= 500 else Undeliverable)(_said(code, said, what))


def _said(code: int, said: str, what: str) -> str:
    return f"the mail server does not take the {what}: {code} {' '.join(said.split())}"[:LONGEST_REASON]


def _cause(error: Exception) -> str:
    """Without what was sent."""
    os_error = error if isinstance(error, OSError) else error.__cause__
    if isinstance(os_error, OSError) and os_error.strerror:
        return os_error.strerror
    return type(error).__name__
