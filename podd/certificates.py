"""What podd shows to those who come over TLS: the operator's certificate, or one of a small CA of its own.

Below the data directory, `tls/ca.pem` is what clients trust (`podd ca` prints it), `tls/ca.key` signs, and
`tls/server.pem` is the certificate with its key, made anew before it expires and when this machine got more
names. Nothing has to be restarted for that, nor when the operator's files change.
"""

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podd.config import Settings
from podd.installation import DaemonError, write_private

log = structlog.get_logger()

RUNPOD_NAMES = (
    "runpod.io",
    "*.runpod.io",
    "*.runpod.ai",
    "*.api.runpod.ai",
    "*.proxy.runpod.net",
)
"""Where clients go that cannot be told of another place."""

_CA_DAYS = 3650
_EARLIER = timedelta(hours=1)
"""Clocks of clients may be behind."""
_NOT_LAN = ("docker", "br-", "veth", "virbr", "podd", "cni")
"""Interfaces for containers, which come and go."""
_Key = ec.EllipticCurvePrivateKey


class Certificate:
    """The certificate in use. `context` is for servers; `tick` keeps it fresh.

    Raises DaemonError when there is none to begin with; later a bad one is said in the log, and the last
    good one goes on.
    """

    def __init__(self, settings: Settings, now: int) -> None:
        self._settings = settings
        self._seen: tuple[object, ...] = ()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            self.look(now)
        except (OSError, ValueError) as error:
            raise DaemonError(
                f"Cannot use the certificate in {files(settings)[0]}: {said(error)}. "
                "Correct tls.certificate and tls.key, or set tls.port = 0 to serve http alone."
            ) from error

    def look(self, now: int) -> None:
        """Make it anew when it is time to, and load what has changed. Raises OSError, ValueError."""
        if not self._settings.tls.certificate:
            renew(self._settings, now)
        certificate, key = files(self._settings)
        seen = (*_state(certificate), *_state(key))
        if seen == self._seen:
            return
        # A pair that does not fit would leave half of it behind in the context that is in use.
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            context.load_cert_chain(certificate, key, _no_password)
        if self._seen:
            log.info("certificate loaded", file=str(certificate))
        self._seen = seen

    def look_on(self, now: int) -> None:
        """As `look`, while podd serves."""
        try:
            self.look(now)
        except (OSError, ValueError) as error:
            log.error("certificate not loaded; the last one goes on", reason=said(error))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says of itself."""

    names: frozenset[str]
    expires: datetime


def files(settings: Settings) -> tuple[Path, Path]:
    """Where certificate and key are; one file may hold both."""
    tls = settings.tls
    if tls.certificate:
        return Path(tls.certificate), Path(tls.key or tls.certificate)
    own = settings.data_dir / "tls" / "server.pem"
    return own, own


def ca_file(settings: Settings) -> Path:
    return settings.data_dir / "tls" / "ca.pem"


def facts(file: Path) -> Facts:
    """Of the first certificate in a file. Raises OSError, ValueError."""
    found = x509.load_pem_x509_certificates(file.read_bytes())[0]
    return Facts(frozenset(_names_in(found)), found.not_valid_after_utc)


def check(settings: Settings) -> Facts:
    """The facts of the certificate that is to be served. Raises OSError, ValueError when it cannot be."""
    certificate, key = files(settings)
    found = facts(certificate)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _no_password)
    return found


def wanted_names(settings: Settings) -> list[str]:
    """All that clients may call this machine: names, and addresses as text."""
    domain = settings.proxy.domain
    names = {
        "localhost",
        "127.0.0.1",
        "::1",
        socket.gethostname(),
        settings.machine.host_name,
        settings.machine.public_ip,
        urlsplit(settings.public_url).hostname or "",
        *(host for host, _ in settings.addresses),
        *_addresses_here(),
        *((domain, f"*.proxy.{domain}", f"*.api.{domain}") if domain else ()),
        *settings.tls.names,
        *(RUNPOD_NAMES if settings.tls.runpod_names else ()),
    }
    return sorted(name.lower() for name in names if _is_nameable(name))


def renew(settings: Settings, now: int) -> None:
    """Make the CA unless there is one, and its certificate when it is missing, ends soon, lacks a name, or is
    not of this CA."""
    directory = settings.data_dir / "tls"
    directory.mkdir(mode=0o755, exist_ok=True)
    at = datetime.fromtimestamp(now / 1000, UTC)
    ca, ca_key = _ca(directory, at)
    wanted, file = wanted_names(settings), directory / "server.pem"
    if not _is_good(file, ca, wanted, at + timedelta(days=settings.tls.renew_days)):
        write_private(file, _issue(ca, ca_key, wanted, at, settings.tls.certificate_days))
        log.info("certificate made", names=wanted, file=str(file))


def said(error: Exception) -> str:
    """Why a certificate cannot be used, in words."""
    match error:
        case ssl.SSLError():
            return f"it is not a certificate with its key in PEM ({error.reason or error})"
        case OSError():
            return f"{error.filename or ''} {error.strerror or error}".strip()
    return str(error)


# Private


def _ca(directory: Path, at: datetime) -> tuple[x509.Certificate, _Key]:
    file, key_file = directory / "ca.pem", directory / "ca.key"
    if not key_file.exists():
        write_private(key_file, _pem_of(ec.generate_private_key(ec.SECP256R1())))
        file.unlink(missing_ok=True)
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    if not isinstance(key, _Key):
        raise ValueError(f"{key_file} is not a key of podd's: put it back from a backup, or remove it")
    if not file.exists():
        write_private(file, _pem_of(_self_signed(key, at)), mode=0o644)
        log.info("CA made; clients trust what `podd ca` prints", file=str(file))
    return x509.load_pem_x509_certificate(file.read_bytes()), key


def _self_signed(key: _Key, at: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"podd CA of {socket.gethostname()}"[:64])])
    return (
        _unsigned(name, name, key.public_key(), at, _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _issue(ca: x509.Certificate, ca_key: _Key, names: Iterable[str], at: datetime, days: int) -> str:
    """Certificate and key in one text, so that they are changed as one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, socket.gethostname()[:64] or "podd")])
    signer = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = (
        _unsigned(subject, ca.subject, key.public_key(), at, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return _pem_of(key) + _pem_of(made)


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, at: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _EARLIER)
        .not_valid_after(at + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _is_good(file: Path, ca: x509.Certificate, wanted: Iterable[str], until: datetime) -> bool:
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())[0]
        found.verify_directly_issued_by(ca)
    except Exception:  # missing, damaged, or of another CA: whatever it is, a new one is better
        return False
    return found.not_valid_after_utc > until and set(wanted) <= _names_in(found)


def _names_in(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *(str(address) for address in addresses)}


def _addresses_here() -> list[str]:
    return [
        address.address
        for interface, addresses in psutil.net_if_addrs().items()
        if not interface.startswith(_NOT_LAN)
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
    ]


def _is_nameable(name: str) -> bool:
    """Link-local addresses carry an interface, and nobody goes to 0.0.0.0."""
    address = _address(name)
    if address is not None:
        return not (address.is_unspecified or address.is_link_local)
    return bool(name) and name.isascii() and "%" not in name and ":" not in name and " " not in name


def _general(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _pem_of(thing: _Key | x509.Certificate) -> str:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM).decode()
    return thing.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _state(file: Path) -> tuple[object, ...]:
    """What is another when a file has changed, also below a link that leads somewhere else now."""
    found = file.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _no_password() -> str:
    """Otherwise the terminal would be asked for one."""
    raise ValueError("its key has a password: podd needs one without")
