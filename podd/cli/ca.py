"""podd ca: what clients have to trust to reach podd over https."""

import json

import typer

from podd import certificates
from podd.cli.terminal import AsJson, Config, fail, settings_of

_HINT = """\
Give this file to clients, for example with `podd ca > podd-ca.pem`, and let them trust it:
  curl --cacert podd-ca.pem
  Python: SSL_CERT_FILE=podd-ca.pem (httpx, aiohttp), REQUESTS_CA_BUNDLE=podd-ca.pem (requests, runpod)
  Node.js: NODE_EXTRA_CA_CERTS=podd-ca.pem
  Debian, Ubuntu: as /usr/local/share/ca-certificates/podd-ca.crt, then update-ca-certificates"""


def ca(as_json: AsJson = False, config: Config = None) -> None:
    """Print the certificate of podd's own CA, which clients trust to reach it over https."""
    settings = settings_of(config)
    if settings.tls.certificate:
        fail(
            f"podd serves the certificate in {settings.tls.certificate}: "
            "clients need to trust whoever signed that."
        )
    file = certificates.ca_file(settings)
    try:
        pem = file.read_text()
    except FileNotFoundError:
        fail(f"There is no CA yet: podd makes {file} when it starts and tls.port is not 0.")
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}. Run this as root, or as a member of the group podd.")
    if as_json:
        print(
            json.dumps(
                {"file": str(file), "expires": certificates.facts(file).expires.isoformat(), "pem": pem}
            )
        )
    else:
        print(pem, end="")
        typer.echo(_HINT, err=True)
