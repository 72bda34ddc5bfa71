"""Every operation of every surface, tried by everybody: only what the table of permissions allows succeeds,
and what is somebody else's looks like what is not there.

The operations are those of the served routes and of the schema: a new one without a line in the table, or
with ids of a kind that is not known here, fails.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from graphql import is_leaf_type
from litestar.routes import HTTPRoute, WebSocketRoute

from podd.api.access import FIELDS, ROUTES, SOCKETS, Operations
from podd.api.graphql.endpoint import _schema as schema
from podd.domain.account import ANONYMOUS, PERMISSIONS, Caller, may
from podd.services import accounts
from tests.api.graphql.test_access import example
from tests.api.rest_v1.asking import V1
from tests.api.rest_v2.client import RestV2, endpoint_wish
from tests.api.served import IMAGE, OPERATOR_KEY, Json, Served

A6000 = "NVIDIA RTX A6000"
MISSING = "aaaabbbbcccc11"
ROLES = ("basic", "billing", "dev", "admin")
FIELDS_OF = {**schema.query_type.fields, **schema.mutation_type.fields}

BODIES: dict[str, Json] = {
    "POST /v1/pods": {"imageName": IMAGE},
    "POST /v1/endpoints": {"templateId": MISSING},
    "POST /v1/templates": {"name": "x", "imageName": IMAGE},
    "POST /v1/networkvolumes": {"name": "x", "size": 1, "dataCenterId": "LOCAL-1"},
    "POST /v1/containerregistryauth": {"name": "x", "username": "x", "password": "x"},
    "PUT /v2/account/ssh-keys": {"keys": []},
    "POST /v2/account/secrets": {"name": "x", "value": "x"},
    "PATCH /v2/account/secrets/{id}": {"value": "x"},
    "POST /v2/pods": {"name": "x", "image": IMAGE, "gpu": {"id": A6000}},
    "POST /v2/pods/{id}/action": {"action": "stop"},
    "POST /v2/serverless": endpoint_wish(),
    "POST /v2/templates": {"name": "x", "image": IMAGE},
    "POST /v2/network-volumes": {"name": "x", "size": 10, "dataCenter": "LOCAL-1"},
    "PATCH /v2/network-volumes/{id}": {"name": "y"},
    "PATCH /v2/networkvolumes/{id}": {"name": "y"},
    "POST /v2/registries": {"name": "x", "username": "x", "password": "x"},
    "POST /v2/{endpoint_id}/run": {"input": {}},
    "POST /v2/{endpoint_id}/runsync": {"input": {}},
    "POST /v2/{endpoint_id}/batch": {"name": "x"},
    "PUT /v2/{endpoint_id}/batch/{batch_id}": {"name": "x"},
    "POST /v2/{endpoint_id}/batch/{batch_id}/requests": {"requests": [{"input": {}}]},
    "POST /operator/v1/keys": {"account": MISSING},
    "POST /operator/v1/links": {"account": MISSING},
    "POST /operator/v1/teams/{team}/members": {"user": MISSING, "role": "dev"},
    "POST /operator/v1/teams/{team}/members/{user}/change": {"role": "dev"},
    "POST /operator/v1/teams/{team}/invitations": {"role": "dev"},
    "POST /operator/v1/invitations/accept": {"token": MISSING},
}
"""Where an empty object would be refused before the caller and the ids are looked at."""

KINDS = {
    "pods": "pod",
    "endpoints": "endpoint",
    "serverless": "endpoint",
    "v2": "endpoint",
    "workers": "nothing",
    "templates": "template",
    "networkvolumes": "volume",
    "network-volumes": "volume",
    "containerregistryauth": "registry",
    "registries": "registry",
    "secrets": "secret",
    "keys": "key",
    "teams": "team",
    "members": "member",
    "invitations": "invitation",
    "explanations": "pod",
    "owners": "pod",
    "sessions": "nothing",
    "batch": "batch",
    "requests": "nothing",
    **dict.fromkeys("status status-sync stream cancel retry".split(), "job"),
    **dict.fromkeys("job-take job-take-batch job-stop job-done job-stream ping".split(), "nothing"),
    **dict.fromkeys("delegations clusters gpus cpus datacenters use credit docs".split(), "nothing"),
    **dict.fromkeys("sandboxes tags openai v1 allowances statements quotas terminals".split(), "nothing"),
}
"""What the id after a part of a path is an id of."""

FIELD_KINDS = {
    "pod": "pod Resume BidResume Stop Terminate EditJob".split(),
    "endpoint": ["Endpoint"],
    "template": ["Template"],
    "registry": ["RegistryAuth"],
    "secret": ["secret"],
    "volume": ["NetworkVolume"],
    "key": ["ApiKey"],
    "invitation": ["Invitation"],
    "member": ["TeamMember"],
    "team": ["leaveTeam"],
}
NAMING = [
    'mutation {{ saveTemplate(input: {{id: {template}, name: "n", imageName: "i", dockerArgs: "",'
    " containerDiskInGb: 5, volumeInGb: 0, env: []}}) {{ id }} }}",
    'mutation {{ saveEndpoint(input: {{id: {endpoint}, name: "n", gpuIds: "AMPERE_48"}}) {{ id }} }}',
    'mutation {{ saveEndpoint(input: {{templateId: {template}, name: "n", gpuIds: "AMPERE_48"}}) {{ id }} }}',
    "mutation {{ updateEndpointTemplate(input: {{endpointId: {endpoint}, templateId: {template}}})"
    " {{ id }} }}",
    "mutation {{ podFindAndDeployOnDemand(input: {{templateId: {template}}}) {{ id }} }}",
    'mutation {{ podFindAndDeployOnDemand(input: {{imageName: "i", networkVolumeId: {volume}}}) {{ id }} }}',
    'mutation {{ podFindAndDeployOnDemand(input: {{imageName: "i", containerRegistryAuthId: {registry}}})'
    " {{ id }} }}",
    "mutation {{ podEditJob(input: {{podId: {pod}}}) {{ id }} }}",
    "mutation {{ createApiKey(input: {{endpointIds: [{endpoint}]}}) {{ key }} }}",
    "mutation {{ createApiKey(input: {{podId: {pod}}}) {{ key }} }}",
    "mutation {{ createApiKey(input: {{teamId: {team}}}) {{ key }} }}",
    "{{ myself {{ endpoint(id: {endpoint}) {{ id }} }} }}",
    "{{ podTemplate(id: {template}) {{ id }} }}",
]
"""Documents that name a thing in a place which is not required."""


@dataclass(frozen=True)
class World:
    """A team with one of everything, and the keys of all who try: by what they are."""

    podd: Served
    things: dict[str, str]
    keys: dict[str, str]
    clients: dict[str, httpx.Client]
    callers: dict[str, Caller | None]

    def ask(self, who: str, operation: str, things: dict[str, str]) -> httpx.Response:
        method, _, path = operation.partition(" ")
        body = BODIES.get(operation, {}) if method in ("POST", "PATCH", "PUT") else None
        return self.clients[who].request(method, named(path, things), json=body)

    def run(self, who: str, document: str) -> Json:
        answer: Json = self.clients[who].post("/graphql", json={"query": document}).json()
        return answer

    def possessions(self) -> list[Any]:
        """What the team has, and how it is."""
        podd = self.podd
        lists = "pods endpoints templates networkvolumes containerregistryauth".split()
        found = [podd.http.get(f"/v1/{name}").json() for name in lists]
        asked = "{ myself { name isTeam pubKey apiKeys { id name } secrets { name updatedAt }"
        asked += " teamMembers { userId role } teamInvitations { id } } }"
        job = podd.status(self.things["endpoint"], self.things["job"])["status"]
        return [*found, podd.data(asked), job, podd.http.get(f"/v2/{self.things['endpoint']}/batch").json()]


def named(path: str, things: dict[str, str]) -> str:
    """The path with these ids in it."""
    before = ""
    parts = []
    for part in path.split("/"):
        parts.append(things.get(KINDS[before], MISSING) if part.startswith("{") else part)
        before = part if not part.startswith("{") else before
    return "/".join(parts)


def document(name: str, thing: str = MISSING) -> str:
    field = FIELDS_OF[name]
    arguments = ", ".join(f"{arg}: {example(known.type)}" for arg, known in field.args.items())
    arguments = arguments.replace('"x"', json.dumps(thing))
    selection = "" if is_leaf_type(getattr(field.type, "of_type", field.type)) else " { __typename }"
    root = "query" if name in schema.query_type.fields else "mutation"
    return f"{root} {{ {name}{f'({arguments})' if arguments else ''}{selection} }}"


@pytest.fixture(scope="module")
def world(shared_podd: Served) -> Iterator[World]:
    podd, v1, v2 = shared_podd, V1(shared_podd), RestV2(shared_podd)
    endpoint, pod = podd.create_endpoint(workersMax=0), podd.create_pod()
    podd.data('mutation { convertToTeam(input: {name: "The team"}) { id } }')
    me = podd.data("{ myself { id } }")["myself"]["id"]
    invited = podd.data('mutation { inviteTeamMember(input: {role: "dev"}) { invitation { id } } }')
    made = podd.data('mutation { createApiKey(input: {name: "x"}) { key apiKey { id } } }')["createApiKey"]
    keys = {"owner": podd.key, "nobody": "", "stranger": podd.account(), "operator": OPERATOR_KEY}
    things = {
        "pod": pod,
        "endpoint": endpoint,
        "job": podd.submit(endpoint, {"n": 1}),
        "template": v1.create_template()["id"],
        "volume": v1.create_volume()["id"],
        "registry": v1.create_registry()["id"],
        "secret": v2.post("/account/secrets", {"name": "mine", "value": "x"})["id"],
        "batch": podd.http.post(f"/v2/{endpoint}/batch", json={"name": "b"}).json()["id"],
        "key": made["apiKey"]["id"],
        "team": me,
        "invitation": invited["inviteTeamMember"]["invitation"]["id"],
    }
    for role in ROLES:
        token = podd.data(f'mutation {{ inviteTeamMember(input: {{role: "{role}"}}) {{ token }} }}')
        person = podd.account()
        joining = f'mutation {{ joinTeam(token: "{token["inviteTeamMember"]["token"]}") {{ teamId }} }}'
        assert podd.data(joining, key=person)["joinTeam"]["teamId"] == me
        keys[role] = new_key(podd, f'teamId: "{me}"', person)
        things["member"] = podd.data("{ myself { id } }", key=person)["myself"]["id"]
    keys["read-only"] = new_key(podd, "permissions: READ_ONLY".replace("READ_ONLY", '"READ_ONLY"'))
    keys["for an endpoint"] = new_key(podd, f'endpointIds: ["{endpoint}"]')
    keys["for a pod"] = new_key(podd, f'podId: "{pod}"')
    keys["in a pod"] = podd.podd.keys.pod(pod)
    keys["never valid"] = "rpa_nonsense"
    keys["revoked"] = made["key"]
    podd.data(f'mutation {{ deleteApiKey(id: "{made["apiKey"]["id"]}") }}')
    things["key"] = podd.data("mutation { createApiKey(input: {}) { apiKey { id } } }")["createApiKey"][
        "apiKey"
    ]["id"]
    keys["expired"] = new_key(podd, f'expiresAt: "{soon(podd)}"')
    podd.clock.advance(seconds=2)
    podd.settle()
    clients = {who: podd.client(key) for who, key in keys.items()}
    callers = {who: caller_of(podd, key) for who, key in keys.items()}
    yield World(podd, things, keys, clients, callers)
    for client in clients.values():
        client.close()


def new_key(podd: Served, said: str, key: str | None = None) -> str:
    made = podd.data(f"mutation {{ createApiKey(input: {{{said}}}) {{ key }} }}", key=key)
    return str(made["createApiKey"]["key"])


def soon(podd: Served) -> str:
    from podd.api.shown import instant

    return instant(podd.clock.now() + 1000) or ""


def caller_of(podd: Served, key: str) -> Caller | None:
    if not key:
        return ANONYMOUS
    platform, now = podd.podd, podd.clock.now()
    return podd.do(
        platform.store.read(accounts.caller_of, key, platform.keys, platform.operator_key_hash, now)
    )


def routes(podd: Served) -> list[str]:
    """The operations that are served, as `METHOD /path`."""
    return sorted(
        f"{method} {route.path_format}"
        for route in podd._app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS"
    )


def allowed(caller: Caller | None, needed: Operations) -> bool:
    return caller is not None and any(may(caller, operation) for operation in needed)


def test_every_operation_names_its_permission_and_every_permission_is_used(world: World) -> None:
    assert routes(world.podd) == sorted(ROUTES), "podd/api/access.py lists the routes"
    sockets = [route for route in world.podd._app.routes if isinstance(route, WebSocketRoute)]
    assert {route.path_format for route in sockets} == SOCKETS
    assert sorted(FIELDS_OF) == sorted(FIELDS), "podd/api/access.py lists the fields"
    used = {operation for needed in (*ROUTES.values(), *FIELDS.values()) for operation in needed}
    assert used == set(PERMISSIONS)


def test_the_keys_are_what_they_should_be(world: World) -> None:
    found = {who: caller and caller.kind.value for who, caller in world.callers.items()}
    assert {who for who, kind in found.items() if kind is None} == {"never valid", "revoked", "expired"}
    assert found["in a pod"] == "workload"
    assert {who: world.callers[who].role.value for who in ROLES} == {who: who for who in ROLES}  # type: ignore[union-attr]


@pytest.mark.parametrize("who", ["stranger", "for an endpoint", "for a pod", "in a pod"])
def test_what_is_not_the_callers_looks_like_what_is_not_there(world: World, who: str) -> None:
    """For who has a key of the account, what the key is not for."""
    others = world.things
    if who != "stranger":
        others = {**others, "pod": world.podd.create_pod(gpuTypeId="NVIDIA GeForce RTX 3090")}
        others["endpoint"] = world.podd.create_endpoint(workersMax=0)
        others.pop("team")
    before = world.possessions()
    seen = {}
    for operation in routes(world.podd):
        if "{" in operation and ROUTES[operation] != ("job.work",):
            foreign, missing = (world.ask(who, operation, things) for things in (others, {}))
            if told(foreign, others) != told(missing, others):
                seen[operation] = foreign.text, missing.text
    for name in FIELDS:
        for kind, parts in FIELD_KINDS.items():
            if kind in others and any(part in name for part in parts):
                texts = [world.run(who, document(name, thing)) for thing in (others[kind], MISSING)]
                if plain(str(texts[0]), others) != plain(str(texts[1]), others):
                    seen[name] = str(texts[0]), str(texts[1])
    for text in NAMING:
        quoted = {kind: json.dumps(thing) for kind, thing in {**world.things, **others}.items()}
        if who != "stranger" and "{team}" in text:
            continue
        answers = [
            world.run(who, text.format(**ids)) for ids in (quoted, dict.fromkeys(quoted, f'"{MISSING}"'))
        ]
        if plain(str(answers[0]), others) != plain(str(answers[1]), others):
            seen[text] = str(answers[0]), str(answers[1])
    after = world.possessions()
    assert not seen
    assert after == before
    if who != "stranger":
        world.podd.http.delete(f"/v1/pods/{others['pod']}")
        world.podd.http.delete(f"/v1/endpoints/{others['endpoint']}")
        world.podd.settle()


ASK_MORE = {"GET /metrics": ("machine.read",)}
"""Open to anybody in the table, because the settings may let in who has no key; here they let in nobody."""


def test_each_does_on_rest_what_the_table_allows_and_nothing_else(world: World) -> None:
    wrong = []
    for operation in routes(world.podd):
        needed = ASK_MORE.get(operation, ROUTES[operation])
        for who, caller in world.callers.items():
            # An endpoint that no other test has asked for: rates are counted by endpoint and key.
            status = world.ask(who, operation, {"endpoint": "ddddeeeeffff22"}).status_code
            if allowed(ANONYMOUS, needed):
                fine = status != 403 and (status != 401 or caller is None)
            elif allowed(caller, needed):
                fine = status not in (401, 403) and status != 405
            elif caller in (None, ANONYMOUS) or needed == ("job.work",):
                fine = status == 401
            else:
                fine = status == 403
            if not fine:
                wrong.append((operation, who, status))
    assert not wrong


def test_each_does_in_graphql_what_the_table_allows_and_nothing_else(world: World) -> None:
    wrong = []
    for name, needed in FIELDS.items():
        for who, caller in world.callers.items():
            if caller is None:
                continue
            answer = world.run(who, document(name))
            refused = [error["message"] for error in answer.get("errors", [])] == ["Unauthorized"]
            if refused is allowed(caller, needed):
                wrong.append((name, who, answer))
    assert not wrong


@pytest.mark.parametrize("who", ["never valid", "revoked", "expired"])
def test_a_bad_key_gets_nothing_from_graphql(world: World, who: str) -> None:
    response = world.clients[who].post("/graphql", json={"query": "{ gpuTypes { id } }"})
    assert response.status_code == 401
    by_query = httpx.post(
        f"{world.podd.url}/graphql?api_key={world.keys[who]}", json={"query": "{ myself { id } }"}
    )
    assert by_query.status_code == 401


def told(response: httpx.Response, things: dict[str, str]) -> tuple[int, str]:
    return response.status_code, plain(response.text, things)


def plain(text: str, things: dict[str, str]) -> str:
    """Without the ids: an answer may repeat what was asked."""
    for thing in (*things.values(), MISSING):
        text = text.replace(thing, "ID")
    return re.sub(r"request_id=\w+", "", text)
