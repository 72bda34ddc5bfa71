"""What RunPod has and one machine has not: clusters, the hub, the model repository, flash deployments.

Lists are empty and single things null; what would change something is refused, in words clients look for.
"""

from typing import Any

from graphql import GraphQLResolveInfo

from podd.api.graphql.roots import mutation, query
from podd.domain.errors import OUT_OF_STOCK, NoCapacity, NotAvailable, NotFound

NO_SUCH_CLUSTER = "Cluster not found"
NO_MODEL_REPO = "Model Repo feature is not enabled for this user"
NO_FLASH = "Flash builds and deployments are not available on podd; endpoints are saved with saveEndpoint."
NO_LOG_IN = (
    "Logging in with the browser is not available on podd; set RUNPOD_API_KEY to a key of your account."
)


@query.field("listings")
@query.field("allAiApiPublicConfigs")
@query.field("myModels")
@query.field("models")
def nothing(_root: object, _info: GraphQLResolveInfo, **_arguments: Any) -> list[Any]:
    return []


@query.field("listing")
@query.field("listingFromRepo")
@query.field("myModel")
def none(_root: object, _info: GraphQLResolveInfo, **_arguments: Any) -> None:
    return None


@mutation.field("createCluster")
def create_cluster(_root: object, _info: GraphQLResolveInfo, **_arguments: Any) -> None:
    """No second machine: to clients, a cluster is always out of stock."""
    raise NoCapacity(OUT_OF_STOCK)


@mutation.field("deleteCluster")
def delete_cluster(_root: object, _info: GraphQLResolveInfo, **_arguments: Any) -> None:
    raise NotFound(NO_SUCH_CLUSTER)


@mutation.field("addModelToRepo")
@mutation.field("removeModelFromRepo")
@mutation.field("createModelRepoUpload")
@mutation.field("completeModelRepoUpload")
@mutation.field("updateModelVersionStatus")
def no_model_repo(_root: object, _info: GraphQLResolveInfo, **_arguments: Any) -> None:
    raise NotAvailable(NO_MODEL_REPO)


@query.field("flashApp")
@query.field("flashAppByName")
def no_flash_app(_root: object, _info: GraphQLResolveInfo, **_arguments: Any) -> None:
    """flash looks for `not found` and goes on to create the app, where it reads why it cannot."""
    raise NotFound("flash app not found")


@query.field("flashEnvironment")
@query.field("flashEnvironmentByName")
def no_flash_environment(_root: object, _info: GraphQLResolveInfo, **_arguments: Any) -> None:
    raise NotFound("flash environment not found")


@query.field("flashBuild")
def no_flash_build(_root: object, _info: GraphQLResolveInfo, **_arguments: Any) -> None:
    raise NotFound("flash build not found")


@mutation.field("createFlashApp")
@mutation.field("deleteFlashApp")
@mutation.field("createFlashEnvironment")
@mutation.field("deleteFlashEnvironment")
@mutation.field("prepareFlashArtifactUpload")
@mutation.field("finalizeFlashArtifactUpload")
@mutation.field("updateFlashBuildManifest")
@mutation.field("deployBuildToEnvironment")
@mutation.field("addEndpointToFlashEnvironment")
@mutation.field("addNetworkVolumeToFlashEnvironment")
@mutation.field("updateFlashEnvironment")
def no_flash(_root: object, _info: GraphQLResolveInfo, **_arguments: Any) -> None:
    raise NotAvailable(NO_FLASH)


@mutation.field("createFlashAuthRequest")
@query.field("flashAuthRequestStatus")
def no_log_in(_root: object, _info: GraphQLResolveInfo, **_arguments: Any) -> None:
    raise NotAvailable(NO_LOG_IN)
