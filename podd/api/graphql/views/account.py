"""The account and what it has: settings, keys, registry credentials, secrets, network volumes."""

from podd.api.graphql.views import View
from podd.api.shown import dollars, instant
from podd.config import Machine
from podd.domain.account import Account, ApiKey
from podd.domain.meter import HOUR_MS
from podd.domain.plan import Plan
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


def plan_view(plan: Plan) -> View:
    """It belongs to no pod: it goes by what runs. `costPerHr` is the whole price by the hours of its term."""
    hours = (plan.ends_at - plan.begins_at) / HOUR_MS
    return {
        "gpuTypeId": plan.gpu_type_id,
        "startTime": instant(plan.begins_at),
        "endTime": instant(plan.ends_at),
        "savingsPlanType": "GPU",
        "planLength": f"{plan.months} month{'s' if plan.months > 1 else ''}",
        "costPerHr": dollars(plan.price) / hours,
        "upfrontCost": dollars(plan.price),
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
    return {"id": key.id, "name": key.name, "permissions": "ALL", "createdAt": instant(key.created_at)}


def volume_view(volume: NetworkVolume, machine: Machine) -> View:
    """Its `dataCenter` is added by who can ask for it."""
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "dataCenterId": machine.data_center_id,
    }
