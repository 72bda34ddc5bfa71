"""Whom a request is for."""

import pytest

from podd.proxy.routes import EndpointCall, Names, Nowhere, PodPort, Route, Slash

HERE = Names("gpu.example.org")


@pytest.mark.parametrize(
    ("host", "path", "route"),
    [
        ("abc123-8888.proxy.runpod.net", "/lab", PodPort("abc123", 8888, "/lab")),
        ("abc123-8888.proxy.gpu.example.org", "/", PodPort("abc123", 8888, "/")),
        ("ABC123-8888.Proxy.GPU.example.org:8484", "/", PodPort("abc123", 8888, "/")),
        ("abc123-8888.proxy.gpu.example.org.", "/", PodPort("abc123", 8888, "/")),
        ("abc123-8888.proxy.gpu.example.org", "/proxy/x/1/", PodPort("abc123", 8888, "/proxy/x/1/")),
        ("abc123.proxy.runpod.net", "/", Nowhere()),
        ("abc123-.proxy.runpod.net", "/", Nowhere()),
        ("abc123-0.proxy.runpod.net", "/", Nowhere()),
        ("abc123-65536.proxy.runpod.net", "/", Nowhere()),
        ("abc123-08.proxy.runpod.net", "/", Nowhere()),
        ("a.b-80.proxy.runpod.net", "/", Nowhere()),
        ("proxy.runpod.net", "/", None),
        ("evilproxy.runpod.net", "/", None),
        ("abc123.api.runpod.ai", "/generate", EndpointCall("abc123", "/generate")),
        ("abc123.api.gpu.example.org:8484", "/generate", EndpointCall("abc123", "/generate")),
        ("a_c.api.runpod.ai", "/", Nowhere()),
        ("api.runpod.ai", "/v2/abc123/run", None),
        ("api.gpu.example.org", "/v2/abc123/run", None),
        ("rest.runpod.io", "/v1/pods", None),
        ("127.0.0.1:8484", "/graphql", None),
        ("[::1]:8484", "/graphql", None),
        ("", "/graphql", None),
        ("h", "/proxy/abc/8888/", PodPort("abc", 8888, "/", "/proxy/abc/8888")),
        ("h", "/proxy/abc/8888/a%2Fb//c", PodPort("abc", 8888, "/a%2Fb//c", "/proxy/abc/8888")),
        ("h", "/proxy/abc/8888", Slash("/proxy/abc/8888/")),
        ("h", "/proxy/abc", Nowhere()),
        ("h", "/proxy/abc/x/", Nowhere()),
        ("h", "/proxy/a%20c/80/", Nowhere()),
        ("h", "/proxy", None),
        ("h", "/lb/abc/generate/x", EndpointCall("abc", "/generate/x", "/lb/abc")),
        ("h", "/lb/abc/", EndpointCall("abc", "/", "/lb/abc")),
        ("h", "/lb/abc", Slash("/lb/abc/")),
        ("h", "/", None),
        ("h", "*", None),
    ],
)
def test_host_and_path_name_the_target(host: str, path: str, route: Route | None) -> None:
    assert HERE.find(host, path) == route


def test_without_a_domain_only_runpods_names_and_paths_lead_to_containers() -> None:
    names = Names()
    assert names.find("abc-80.proxy.gpu.example.org", "/") is None
    assert names.find("abc-80.proxy.runpod.net", "/") == PodPort("abc", 80, "/")
    assert names.find("h", "/proxy/abc/80/") == PodPort("abc", 80, "/", "/proxy/abc/80")


def test_paths_can_be_switched_off() -> None:
    names = Names("gpu.example.org", paths=False)
    assert names.find("h", "/proxy/abc/80/") is None
    assert names.find("h", "/lb/abc/") is None
    assert names.find("abc-80.proxy.gpu.example.org", "/") == PodPort("abc", 80, "/")


@pytest.mark.parametrize(
    ("domain", "public_url", "url"),
    [
        ("", "http://10.0.0.5:8484", "http://10.0.0.5:8484/lb/abc"),
        ("gpu.example.org", "https://gpu.example.org", "https://abc.api.gpu.example.org"),
        ("gpu.example.org", "http://10.0.0.5:8484", "http://abc.api.gpu.example.org:8484"),
        ("gpu.example.org", "http://[::1]", "http://abc.api.gpu.example.org"),
    ],
)
def test_the_url_of_an_endpoint_leads_back_to_it(domain: str, public_url: str, url: str) -> None:
    names = Names(domain)
    shown = names.endpoint_url("abc", public_url)
    assert shown == url
    _, _, place = shown.partition("://")
    host, slash, path = place.partition("/")
    found = names.find(host, f"{slash}{path}/generate")
    assert isinstance(found, EndpointCall)
    assert (found.endpoint_id, found.path) == ("abc", "/generate")
