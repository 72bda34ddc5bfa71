"""All operations, on their roots: importing this is what hangs them there."""

from podd.api.graphql import account, catalogue, endpoints, keys, pods, stubs, teams, templates, volumes
from podd.api.graphql.roots import mutation, query

OPERATIONS = (account, catalogue, endpoints, keys, pods, stubs, teams, templates, volumes)

__all__ = ["OPERATIONS", "mutation", "query"]
