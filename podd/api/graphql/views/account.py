"""The account and what it has: settings, keys, registry credentials, secrets, network volumes."""

from podd.api.graphql.views import View
from podd.api.shown import instant
from podd.config import Machine
from podd.domain.account import Account, AccountKind, ApiKey, Scope, ScopeKind
from podd.domain.registry import RegistryCredential
from podd.domain.secret import Secret
from podd.domain.team import Invitation, Member, Membership
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
        "isTeam": account.kind is AccountKind.TEAM,
        "name": account.name,
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
    """Never the key itself."""
    of: View = {"permissions": permissions_of(key.scope), "endpointIds": None, "podId": None}
    if key.scope.kind is ScopeKind.ENDPOINTS:
        of["endpointIds"] = sorted(key.scope.ids)
    if key.scope.kind is ScopeKind.POD:
        of["podId"] = min(key.scope.ids)
    return {
        **of,
        "id": key.id,
        "name": key.name,
        "createdAt": instant(key.created_at),
        "expiresAt": instant(key.expires_at),
        "userId": key.user_id,
    }


def permissions_of(scope: Scope) -> str:
    """In RunPod's words: all, restricted or read only."""
    return {ScopeKind.ALL: "ALL", ScopeKind.READ_ONLY: "READ_ONLY"}.get(scope.kind, "RESTRICTED")


def member_view(member: Member) -> View:
    return {
        "userId": member.user_id,
        "email": member.email,
        "name": member.name,
        "role": member.role.value,
        "joinedAt": instant(member.joined_at),
        "isOwner": member.owner,
    }


def membership_view(membership: Membership) -> View:
    return {
        "teamId": membership.team.id,
        "name": membership.team.name,
        "role": membership.role.value,
    }


def invitation_view(invitation: Invitation) -> View:
    """Never its token."""
    return {
        "id": invitation.id,
        "email": invitation.email or None,
        "role": invitation.role.value,
        "createdAt": instant(invitation.created_at),
        "expiresAt": instant(invitation.expires_at),
    }


def volume_view(volume: NetworkVolume, machine: Machine) -> View:
    """Its `dataCenter` is added by who can ask for it."""
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "dataCenterId": machine.data_center_id,
    }
