"""Signing in with a password or a link: what a session may do, what other sites cannot, and its end."""

from functools import partial
from typing import Any

import argon2
import httpx
import pytest
from typer.testing import CliRunner

from podd import cli
from podd.services import passwords
from tests.api.conftest import NewPodd
from tests.api.served import QUICKLY, Json, Served

EMAIL, PASSWORD = "ada@example.org", "correct horse battery"
MYSELF = {"query": "{ myself { id email } }"}


class Browser:
    """Keeps its cookies, and sends the token of the session with each change as podd's own pages do."""

    def __init__(self, podd: Served) -> None:
        self.podd = podd
        self.http = httpx.Client(base_url=podd.url, **QUICKLY)
        self.csrf = ""

    def close(self) -> None:
        self.http.close()

    def send(self, method: str, path: str, *, csrf: bool = True, **how: Any) -> httpx.Response:
        headers = {"X-CSRF-Token": self.csrf} if csrf and self.csrf else {}
        return self.http.request(method, path, headers={**headers, **how.pop("headers", {})}, **how)

    def sign_in(self, password: str = PASSWORD, email: str = EMAIL) -> httpx.Response:
        return self._welcomed(self.send("POST", "/auth/sign-in", json={"email": email, "password": password}))

    def follow(self, token: str) -> httpx.Response:
        return self._welcomed(self.send("POST", "/auth/link", json={"token": token}))

    def set_password(self, password: str = PASSWORD, current: str | None = None) -> httpx.Response:
        wish = {"password": password} | ({"current": current} if current else {})
        return self.send("POST", "/auth/password", json=wish)

    def is_in(self) -> bool:
        return self.send("GET", "/auth/session").status_code == 200

    def _welcomed(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            self.csrf = response.json()["csrf_token"]
        return response


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that are slow on purpose would make these tests slow as well."""
    quick = partial(argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "PasswordHasher", quick)


@pytest.fixture
def podd(new_podd: NewPodd) -> Served:
    podd = new_podd()
    podd.account(EMAIL)
    return podd


@pytest.fixture
def new_browser(podd: Served) -> Any:
    made: list[Browser] = []

    def new() -> Browser:
        made.append(Browser(podd))
        return made[-1]

    yield new
    for browser in made:
        browser.close()


@pytest.fixture
def browser(new_browser: Any) -> Browser:
    """Of somebody who came by a link and has set a password."""
    browser: Browser = new_browser()
    assert browser.follow(link(browser.podd)).status_code == 200
    assert browser.set_password().status_code == 204
    return browser


def link(podd: Served, account: str = EMAIL) -> str:
    made = podd.local.post("/operator/v1/links", json={"account": account})
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


def test_a_session_is_its_account_on_graphql_and_both_rest_apis(browser: Browser) -> None:
    account = browser.send("POST", "/graphql", json=MYSELF).json()["data"]["myself"]
    assert account["email"] == EMAIL
    made = browser.send("POST", "/v2/account/secrets", json={"name": "s", "value": "v"})
    assert made.status_code == 201
    assert browser.send("GET", "/v2/account/secrets").json()["secrets"][0]["name"] == "s"
    assert browser.send("GET", "/v1/pods").json() == []


def test_the_cookie_is_not_for_scripts_nor_for_other_sites(browser: Browser) -> None:
    cookie = browser.sign_in().headers["set-cookie"]
    assert cookie.startswith("podd_session=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_behind_tls_the_cookie_is_for_tls_and_this_host_alone(new_podd: NewPodd) -> None:
    podd = new_podd(settings={"public_url": "https://podd.example.org"})
    podd.account(EMAIL)
    browser = Browser(podd)
    cookie = browser.follow(link(podd)).headers["set-cookie"]
    browser.close()
    assert cookie.startswith("__Host-podd_session=")
    assert "Secure" in cookie.split("; ")
    assert "Domain" not in cookie


def test_neither_password_nor_tokens_are_in_the_database(browser: Browser) -> None:
    token = link(browser.podd)
    path = browser.podd.settings.database
    written = path.read_bytes() + path.with_name(f"{path.name}-wal").read_bytes()
    cookie = browser.http.cookies["podd_session"]
    assert not [secret for secret in (PASSWORD, cookie, token, browser.csrf) if secret.encode() in written]
    assert b"$argon2id$" in written


# Who gets in


def test_with_the_right_password_one_is_in_and_with_a_wrong_one_not(
    browser: Browser, new_browser: Any
) -> None:
    another = new_browser()
    wrong = another.sign_in("something else")
    nobody = another.sign_in(email="nobody@example.org")
    assert (wrong.status_code, wrong.json()) == (nobody.status_code, nobody.json())
    assert wrong.status_code == 401
    assert not another.is_in()
    assert another.sign_in().json()["email"] == EMAIL
    assert another.is_in()


def test_who_has_no_password_does_not_get_in_with_any(podd: Served, new_browser: Any) -> None:
    assert new_browser().sign_in("").status_code == 401


def test_a_link_is_good_once(podd: Served, new_browser: Any) -> None:
    token = link(podd)
    assert new_browser().follow(token).status_code == 200
    assert new_browser().follow(token).status_code == 401


def test_a_link_is_good_for_a_day_and_until_there_is_a_newer_one(podd: Served, new_browser: Any) -> None:
    older, newer = link(podd), link(podd)
    assert new_browser().follow(older).status_code == 401
    podd.clock.advance(days=1.1)
    assert new_browser().follow(newer).status_code == 401


def test_the_command_prints_a_link_whose_token_no_server_is_sent(podd: Served, new_browser: Any) -> None:
    env = {"PODD_DATA_DIR": str(podd.settings.data_dir)}
    result = CliRunner().invoke(cli.app, ["account", "link", EMAIL], env=env)
    assert result.exit_code == 0
    url = httpx.URL(result.output.split()[-1])
    assert url.fragment.startswith("token=")
    assert not url.query
    assert new_browser().follow(url.fragment.removeprefix("token=")).status_code == 200


def test_only_the_operator_makes_links_and_only_for_accounts_there_are(podd: Served) -> None:
    assert podd.http.post("/operator/v1/links", json={"account": EMAIL}).status_code == 403
    assert podd.local.post("/operator/v1/links", json={"account": "nobody"}).status_code == 404


# Passwords


@pytest.mark.parametrize("password", ["", "short", "x" * 2000])
def test_a_password_has_a_length(browser: Browser, password: str) -> None:
    refused = browser.set_password(password, PASSWORD)
    assert refused.status_code == 400
    assert "10 to 1024 characters" in refused.json()["detail"]


def test_to_change_a_password_one_shows_the_present_one(browser: Browser, new_browser: Any) -> None:
    another = new_browser()
    another.sign_in()
    assert another.set_password("another password").status_code == 400
    assert another.set_password("another password", "wrong").status_code == 400
    assert another.set_password("another password", PASSWORD).status_code == 204
    assert new_browser().sign_in().status_code == 401
    assert new_browser().sign_in("another password").status_code == 200


def test_who_forgot_the_password_sets_another_one_after_a_link(browser: Browser, new_browser: Any) -> None:
    another = new_browser()
    another.follow(link(browser.podd))
    assert another.set_password("another password").status_code == 204


def test_a_new_password_ends_all_other_sessions(browser: Browser, new_browser: Any) -> None:
    another = new_browser()
    another.sign_in()
    assert browser.set_password("another password").status_code == 204
    assert browser.is_in()
    assert not another.is_in()


def test_a_key_cannot_set_a_password(podd: Served) -> None:
    assert podd.http.post("/auth/password", json={"password": PASSWORD}).status_code == 403


# How long


def test_a_session_that_is_used_stays_and_one_that_is_not_ends(browser: Browser) -> None:
    podd = browser.podd
    for _ in range(3):
        podd.clock.advance(days=13)
        assert browser.is_in()
        podd.do(podd.podd.uses.flush(podd.podd.store))
    podd.clock.advance(days=15)
    assert browser.send("GET", "/auth/session").json()["detail"] == "Your session is over; sign in again."


def test_no_session_lasts_for_ever(browser: Browser) -> None:
    podd = browser.podd
    for _ in range(10):
        podd.clock.advance(days=8.9)
        assert browser.is_in()
        podd.do(podd.podd.uses.flush(podd.podd.store))
    podd.clock.advance(days=1.1)
    assert not browser.is_in()


def test_sessions_are_listed_and_ended(browser: Browser, new_browser: Any) -> None:
    another = new_browser()
    another.sign_in()
    found = browser.send("GET", "/auth/sessions").json()["sessions"]
    assert sorted((one["current"], one["by_link"], one["address"]) for one in found) == [
        (False, False, "127.0.0.1"),
        (True, True, "127.0.0.1"),
    ]
    (other,) = [one["id"] for one in found if not one["current"]]
    assert browser.send("DELETE", f"/auth/sessions/{other}").status_code == 204
    assert not another.is_in()
    assert browser.send("DELETE", f"/auth/sessions/{other}").status_code == 404
    assert browser.send("POST", "/auth/sign-out").status_code == 204
    assert not browser.is_in()


def test_nobody_ends_the_session_of_somebody_else(browser: Browser, new_browser: Any) -> None:
    grace = new_browser()
    browser.podd.account("grace@example.org")
    theirs = grace.follow(link(browser.podd, "grace@example.org")).json()["session_id"]
    assert browser.send("DELETE", f"/auth/sessions/{theirs}").status_code == 404
    assert browser.podd.http.delete(f"/auth/sessions/{theirs}").status_code == 403
    assert grace.is_in()


# What others cannot do


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/graphql"),
        ("POST", "/v1/pods"),
        ("POST", "/v2/account/secrets"),
        ("PUT", "/v2/account/ssh-keys"),
        ("DELETE", "/v2/pods/x"),
        ("POST", "/v2/x/run"),
        ("POST", "/auth/password"),
        ("POST", "/auth/sign-out"),
        ("DELETE", "/auth/sessions/x"),
    ],
)
def test_a_change_with_the_cookie_alone_is_refused(browser: Browser, method: str, path: str) -> None:
    for token in ({}, {"X-CSRF-Token": "wrong"}):
        refused = browser.send(method, path, csrf=False, headers=token, json={"password": PASSWORD})
        assert refused.status_code == 403
        assert "X-CSRF-Token" in refused.text


def test_the_token_of_another_session_is_none_of_this_one(browser: Browser, new_browser: Any) -> None:
    another = new_browser()
    another.sign_in()
    refused = browser.send("POST", "/graphql", csrf=False, headers={"X-CSRF-Token": another.csrf}, json={})
    assert refused.status_code == 403


def test_a_page_of_another_site_signs_nobody_in_and_changes_nothing(browser: Browser) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    wish = {"email": EMAIL, "password": PASSWORD}
    assert browser.send("POST", "/auth/sign-in", headers=elsewhere, json=wish).status_code == 403
    assert browser.send("POST", "/graphql", headers=elsewhere, json=MYSELF).status_code == 403


def test_a_key_in_a_request_goes_before_the_cookie(browser: Browser) -> None:
    key = {"Authorization": f"Bearer {browser.podd.key}"}
    found = browser.send("POST", "/graphql", csrf=False, headers=key, json=MYSELF).json()
    assert found["data"]["myself"]["email"] != EMAIL


def test_attempts_are_limited_by_account_and_by_address(new_podd: NewPodd) -> None:
    podd = new_podd(
        settings={"accounts": {"attempts_per_account": "2 per hour", "attempts_per_address": "4 per hour"}}
    )
    podd.account(EMAIL)
    browser = Browser(podd)
    said = [browser.sign_in("wrong").status_code for _ in range(3)]
    assert said == [401, 401, 429]
    assert browser.sign_in("wrong", "grace@example.org").status_code == 401
    refused = browser.sign_in("wrong", "eve@example.org")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    browser.close()


# Signing up


SIGN_UP = {"email": "Grace@example.org", "password": PASSWORD}


def test_nobody_signs_up_unless_that_is_open(podd: Served, new_browser: Any) -> None:
    assert new_browser().send("POST", "/auth/sign-up", json=SIGN_UP).status_code == 403


def test_where_sign_up_is_open_one_makes_an_account_and_is_in(new_podd: NewPodd) -> None:
    podd = new_podd(settings={"accounts": {"open_sign_up": True}})
    browser = Browser(podd)
    made: Json = browser.send("POST", "/auth/sign-up", json=SIGN_UP).json()
    assert made["email"] == "grace@example.org"
    assert browser.is_in()
    assert browser.send("POST", "/auth/sign-up", json=SIGN_UP).status_code == 409
    bad = browser.send("POST", "/auth/sign-up", json={**SIGN_UP, "email": "grace"})
    assert bad.status_code == 400
    entry = podd.local.get("/operator/v1/audit", params={"operation": "account.sign_up"}).json()["entries"][0]
    assert (entry["account_id"], entry["actor"]) == (made["account_id"], "anonymous")
    browser.close()


# When keys were last used


def test_when_a_key_was_last_used_is_told_once_it_was_written_down(podd: Served) -> None:
    def last_used() -> Any:
        return podd.data("{ myself { apiKeys { lastUsed } } }")["myself"]["apiKeys"][0]["lastUsed"]

    assert last_used() is None
    changes = podd.podd.store.changes
    last_used()
    assert podd.podd.store.changes == changes
    podd.do(podd.podd.uses.flush(podd.podd.store))
    first = last_used()
    podd.clock.advance(seconds=90)
    assert last_used() == first
    podd.do(podd.podd.uses.flush(podd.podd.store))
    assert last_used() > first
