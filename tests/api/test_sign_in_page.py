"""The page of the operator's links: it lets nothing in, and its script gets people what they came for."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from podd.api import sign_in_page
from tests.api.conftest import NewPodd
from tests.api.served import Served
from tests.e2e.node import NODE

PAGE = Path(sign_in_page.__file__).with_name("sign_in.html")
SCRIPT = Path(__file__).with_name("sign_in_page.mjs")


def visit(podd: Served, hash: str, *submitted: tuple[str, dict[str, str]]) -> list[dict[str, Any]]:
    """What the page shows after each form that is submitted."""
    done = subprocess.run(
        [NODE, SCRIPT, PAGE, podd.url, hash],
        input="".join(f"{json.dumps(each)}\n" for each in submitted),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_page_loads_nothing_and_runs_only_its_own_script(new_podd: NewPodd) -> None:
    podd = new_podd()
    with podd.client("") as nobody:
        answer = nobody.get("/sign-in")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "script-src 'sha256-" in policy
    assert re.search(r"\s(src|href|on\w+|style)=", answer.text) is None
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_link_signs_in_once_and_makes_a_key_and_a_password(new_podd: NewPodd) -> None:
    podd = new_podd()
    podd.account("ada@example.org")
    made = podd.local.post("/operator/v1/links", json={"account": "ada@example.org"}).json()
    assert made["url"].endswith(f"/sign-in#token={made['token']}")
    hash = f"#token={made['token']}"
    password = {"password": "correct horse battery"}
    arrived, with_key, with_password = visit(podd, hash, ("link", {}), ("key", {}), ("change", password))
    assert (arrived["hash"], arrived["who"]) == ("", "ada@example.org")
    assert {"in", "change"} <= set(arrived["shown"])
    assert not {"link", "password"} & set(arrived["shown"])
    key = re.search(r"rpa_\w+", with_key["made"])
    assert key is not None
    with podd.client(key[0]) as http:
        assert http.get("/v2/pods").status_code == 200
    assert with_password["said"] == "The password is set."
    again, by_password = visit(
        podd, hash, ("link", {}), ("password", {"email": "ada@example.org", **password})
    )
    assert "used before" in again["said"]
    assert by_password["who"] == "ada@example.org"
    assert "change" not in by_password["shown"]
