"""/v2/clusters: several machines at once. podd has one, so there are none and none can be made."""

from litestar import HttpMethod

from podd.api.rest_v2.operation import Call, operation
from podd.api.rest_v2.pages import page
from podd.domain.account import require
from podd.domain.errors import Invalid, NotFound
from podd.wire import rest_v2 as wire

_ONE = "/clusters/{id}"


@operation(
    HttpMethod.GET, "/clusters", id="listClusters", query=wire.PageQuery, answer=wire.ListClustersResponse
)
async def list_clusters(call: Call, query: wire.PageQuery) -> wire.ListClustersResponse:
    """There are none."""
    require(call.caller, "pod.list")
    none, pagination = page(list[wire.Cluster](), query, lambda cluster: (0, cluster.id))
    return wire.ListClustersResponse(clusters=none, pagination=pagination)


@operation(
    HttpMethod.POST,
    "/clusters",
    id="createCluster",
    status=201,
    body=wire.CreateClusterRequest,
    answer=wire.Cluster,
)
async def create_cluster(call: Call, wish: wire.CreateClusterRequest) -> None:  # noqa: ARG001
    """Not possible on one machine."""
    require(call.caller, "pod.create")
    raise Invalid("A cluster needs several machines and podd has one; create a pod with more GPUs instead.")


@operation(HttpMethod.GET, _ONE, id="getCluster", answer=wire.Cluster)
async def get_cluster(call: Call, cluster_id: str) -> None:  # noqa: ARG001
    """There is none."""
    _none(call, "pod.list")


@operation(HttpMethod.PATCH, _ONE, id="updateCluster", body=wire.UpdateClusterRequest, answer=wire.Cluster)
async def update_cluster(call: Call, cluster_id: str, wish: wire.UpdateClusterRequest) -> None:  # noqa: ARG001
    """There is none."""
    _none(call, "pod.change")


@operation(HttpMethod.DELETE, _ONE, id="deleteCluster", status=204)
async def delete_cluster(call: Call, cluster_id: str) -> None:  # noqa: ARG001
    """There is none."""
    _none(call, "pod.terminate")


@operation(HttpMethod.GET, _ONE + "/pods", id="listClusterPods", answer=wire.ListPodsResponse)
async def list_cluster_pods(call: Call, cluster_id: str) -> None:  # noqa: ARG001
    """There is none."""
    _none(call, "pod.list")


HANDLERS = [list_clusters, create_cluster, get_cluster, update_cluster, delete_cluster, list_cluster_pods]


def _none(call: Call, operation: str) -> None:
    require(call.caller, operation)
    raise NotFound("cluster not found")
