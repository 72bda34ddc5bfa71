"""Every GraphQL document that the current SDK can write is understood."""

from typing import Any

import pytest
from runpod.api.mutations import container_register_auth, endpoints, pods, templates, user
from runpod.api.queries import endpoints as endpoint_queries
from runpod.api.queries import gpus as gpu_queries
from runpod.api.queries import pods as pod_queries
from runpod.api.queries import user as user_queries

from tests.api.served import IMAGE, Served

FULL_POD: dict[str, Any] = {
    "cloud_type": "SECURE",
    "support_public_ip": True,
    "start_ssh": True,
    "data_center_id": "LOCAL-1",
    "country_code": "XX",
    "gpu_count": 1,
    "volume_in_gb": 10,
    "container_disk_in_gb": 10,
    "min_vcpu_count": 1,
    "min_memory_in_gb": 1,
    "docker_args": "run",
    "ports": "8888/http, 22/tcp",
    "volume_mount_path": "/workspace",
    "env": {"A": "1", "B": "2"},
    "template_id": "abcdefghij",
    "network_volume_id": None,
    "allowed_cuda_versions": ["12.8", "12.9"],
    "min_download": 100,
    "min_upload": 100,
}
A6000 = "NVIDIA RTX A6000"

DOCUMENTS = {
    "get_user": user_queries.QUERY_USER,
    "update_user_settings": user.generate_user_mutation("ssh-ed25519 AAAA me"),
    "get_gpus": gpu_queries.QUERY_GPU_TYPES,
    "get_gpu": gpu_queries.generate_gpu_query(A6000, 2),
    "get_pods": pod_queries.QUERY_POD,
    "get_pod": pod_queries.generate_pod_query("abcdefghijklmn"),
    "create_pod, least": pods.generate_pod_deployment_mutation("pod", IMAGE, A6000),
    "create_pod, all": pods.generate_pod_deployment_mutation("pod", IMAGE, A6000, **FULL_POD),
    "create_pod, no GPU": pods.generate_pod_deployment_mutation("pod", IMAGE, instance_id="cpu3c-2-4"),
    "stop_pod": pods.generate_pod_stop_mutation("abcdefghijklmn"),
    "resume_pod": pods.generate_pod_resume_mutation("abcdefghijklmn", 1),
    "terminate_pod": pods.generate_pod_terminate_mutation("abcdefghijklmn"),
    "create_template, least": templates.generate_pod_template("template", IMAGE),
    "create_template, all": templates.generate_pod_template(
        "template",
        IMAGE,
        docker_start_cmd='sh -c "sleep 1"',
        container_disk_in_gb=20,
        volume_in_gb=10,
        volume_mount_path="/data",
        ports="80/http, 22/tcp",
        env={"A": "1"},
        is_serverless=True,
        registry_auth_id="abcdefghij",
    ),
    "get_endpoints": endpoint_queries.QUERY_ENDPOINT,
    "create_endpoint, least": endpoints.generate_endpoint_mutation("endpoint", "abcdefghij"),
    "create_endpoint, all": endpoints.generate_endpoint_mutation(
        "endpoint",
        "abcdefghij",
        gpu_ids="AMPERE_48,ADA_24",
        network_volume_id="abc",
        locations="EU",
        scaler_type="REQUEST_COUNT",
        workers_min=1,
        flashboot=True,
        allowed_cuda_versions="12.4,12.5",
        gpu_count=2,
    ),
    "update_endpoint_template": endpoints.update_endpoint_template_mutation("abcdefghijklmn", "abcdefghij"),
    "create_container_registry_auth": container_register_auth.generate_container_registry_auth("n", "u", "p"),
    "update_container_registry_auth": container_register_auth.update_container_registry_auth("i", "u", "p"),
    "delete_container_registry_auth": container_register_auth.delete_container_registry_auth("i"),
}


@pytest.fixture(scope="module")
def podd(shared_podd: Served) -> Served:
    return shared_podd


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_the_sdks_document_is_understood(podd: Served, document: str) -> None:
    response = podd.http.post("/graphql", json={"query": document})
    assert response.status_code == 200, response.text
    for error in response.json().get("errors", []):
        assert error["extensions"]["code"] != "INTERNAL_SERVER_ERROR"


@pytest.mark.parametrize("name", ["get_user", "get_gpus", "get_gpu", "get_pods", "get_pod", "get_endpoints"])
def test_the_sdks_questions_are_answered(podd: Served, name: str) -> None:
    response = podd.http.post("/graphql", json={"query": DOCUMENTS[name]})
    assert response.json().keys() == {"data"}
