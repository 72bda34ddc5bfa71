"""The account and what it has: settings, keys, registry credentials, secrets, network volumes."""

from podd.api.graphql.views import View
from podd.api.shown import instant
from podd.config import Machine
from podd.domain.account import Account, ApiKey
from podd.domain.registry import RegistryCredential
from podd.domain.secret import Secret
from podd.domain.volume import NetworkVolume


def user_view(account: Account) -> View:
    """An account's own fields."""
    return {
        "id": account.id,
        "authId": account.id,
        "email": account.email,
        "pubKey": account.pub_key,
        "flashApps": [],
        "savingsPlans": [],
        "dailyCharges": [],
        "serverlessDiscount": None,
        "minBalance": 0,
        "notifyPodsStale": True,
        "notifyPodsGeneral": True,
        "notifyLowBalance": True,
        "notifyOther": True,
        "creditAlertThreshold": None,
        "signedTermsOfService": True,
        "multiFactorEnabled": False,
        "isTeam": False,
        **account.extras,
    }


def registry_credential_view(credential: RegistryCredential) -> View:
    return {"id": credential.id, "name": credential.name, "userId": credential.account_id}


def secret_view(secret: Secret) -> View:
    """Never its value."""
    return {
        "id": secret.id,
        "name": secret.name,
        "description": secret.description,
        "createdAt": instant(secret.created_at),
        "updatedAt": instant(secret.updated_at),
        "lastUpdatedAt": instant(secret.updated_at),
    }


def key_view(key: ApiKey) -> View:
    return {
        "id": key.id,
        "name": key.name,
        "permissions": "ALL",
        "createdAt": instant(key.created_at),
        "lastUsed": instant(key.last_used_at),
    }


def volume_view(volume: NetworkVolume, machine: Machine) -> View:
    """Its `dataCenter` is added by who can ask for it."""
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "dataCenterId": machine.data_center_id,
    }
