"""New ids and keys, and the keys podd derives instead of storing.

Ids never collide with a path of the v2 API, because the job API lives under /v2/{endpoint id}.
"""

import hashlib
import hmac
import secrets
import string
import uuid

ALPHABET = string.ascii_lowercase + string.digits

# The nouns of the control plane and the platform's own sub-trees under /v2/.
RESERVED = frozenset(
    "account pods clusters serverless templates network-volumes networkvolumes registries catalog "
    "billing secrets tags sandboxes openapi.json docs flash".split()
)


def new_id(length: int = 14) -> str:
    """Lower-case letters and digits, as RunPod's pod, endpoint and template ids."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def account_id() -> str:
    return "user_" + new_id(24)


def job_id(sync: bool) -> str:
    return ("sync-" if sync else "") + f"{uuid.uuid4()}-u1"


def batch_id() -> str:
    return "batch_" + new_id(24)


def api_key() -> str:
    """160 bits in RunPod's form. Shown once; only `key_hash` of it is kept."""
    return "rpa_" + secrets.token_hex(20).upper()


def session_token() -> str:
    """For sessions, and for links to sign in with. Only `key_hash` of it is kept."""
    return secrets.token_urlsafe(32)


def invitation_token() -> str:
    """Lets one person join a team. Shown once; only `key_hash` of it is kept."""
    return "inv_" + secrets.token_hex(20)


def operator_key() -> str:
    return "podd_" + secrets.token_hex(24)


VOUCHER_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: none that are taken for another one."""


def voucher_code() -> str:
    """100 bits in groups people can type: ABCDE-FGHJK-MNPQR-STVWX. Only `voucher_hash` of it is kept."""
    letters = "".join(secrets.choice(VOUCHER_LETTERS) for _ in range(20))
    return "-".join(letters[first : first + 5] for first in range(0, 20, 5))


def voucher_hash(code: str) -> str:
    """However it was typed."""
    typed = code.upper().translate(str.maketrans("OIL", "011"))
    return key_hash("voucher " + "".join(letter for letter in typed if letter in VOUCHER_LETTERS))


def key_hash(key: str) -> str:
    """Keys are random, so a plain hash is as strong as a slow one and can be looked up by index."""
    return hashlib.sha256(key.encode()).hexdigest()


class DerivedKeys:
    """Keys of workloads: made from a secret of the installation, checked by making them again.

    Nothing to store and nothing to leak from the database; a key dies with its workload (or, for a
    worker's job key, with that generation of its container).
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def worker(self, worker_id: str, generation: int) -> str:
        """What a worker's container shows when it takes jobs and posts results."""
        return self._mac(f"worker:{worker_id}:{generation}")

    def endpoint(self, endpoint_id: str) -> str:
        """RUNPOD_ENDPOINT_SECRET: what the workers of one endpoint have in common and nobody else has."""
        return self._mac(f"endpoint:{endpoint_id}")

    def pod(self, workload_id: str) -> str:
        """RUNPOD_API_KEY inside a container: may act on this one workload."""
        return f"rpa_{workload_id}_{self._mac(f'pod:{workload_id}')}"

    def pod_of(self, key: str) -> str | None:
        """The workload whose key this is, if it is a true one."""
        prefix, _, rest = key.partition("_")
        workload_id, _, _mac = rest.partition("_")
        if prefix != "rpa" or not workload_id:
            return None
        if not hmac.compare_digest(key.encode(), self.pod(workload_id).encode()):
            return None
        return workload_id

    def jupyter_password(self, workload_id: str) -> str:
        """What a pod's notebook asks for, when podd chooses it."""
        return self._mac(f"jupyter:{workload_id}")[:20]

    def host_suffix(self, workload_id: str) -> str:
        """The hex tail of podHostId: stable, and not to be guessed from the id."""
        return self._mac(f"host:{workload_id}")[:8]

    def port_pass(self, use: str, workload_id: str, port: int, until: int, shown_hash: str) -> str:
        """Says that a pass to a port was made here."""
        return self._mac(f"port:{use}:{workload_id}:{port}:{until}:{shown_hash}")

    def csrf(self, session_id: str) -> str:
        """What a page of podd's own sends along with each change, and no other site can know."""
        return self._mac(f"csrf:{session_id}")

    def _mac(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:40]
