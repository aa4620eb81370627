"""Sign-in at the real Keycloak: people with both factors, programs with signed JWTs, and how realms follow entries."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.errors import UserError
from local.hospitals import sign_in as hospitals_sign_in
from local.keycloak import admin, build, server
from local.keycloak import programs as programs_realm
from local.keycloak.staff import read, staff
from tests.support.identity import sign_in
from tests.support.identity.keycloak_realms import NORTH, SOUTH, STAFF, Caller, Keycloak, person
from tests.support.identity.keycloak_server import free_url, home_with_certificates, next_code, running

pytestmark = [pytest.mark.process, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    home, url = home_with_certificates(tmp_path_factory.mktemp("keycloak")), free_url()
    built = build.build(lambda _: None)
    # Killed without warning after its first start, it starts again with what was declared.
    with running(home, built, url):
        assert Keycloak(home, url).apply(NORTH) == {"north": "created", "programs": "created"}
    with running(home, built, url):
        keycloak = Keycloak(home, url)
        assert keycloak.apply(NORTH, SOUTH) == {"south": "created"}
        yield keycloak


def test_both_factors_give_tokens_with_the_claims_of_the_tests_issuer(keycloak: Keycloak) -> None:
    browser, casey = keycloak.browser(), person("casey")
    tokens = browser.redeem(browser.code(browser.sign_in(casey)))
    assert tokens.status_code == 200
    claims = browser.claims(tokens.json()["access_token"])
    expected = {
        "iss": browser.issuer,
        "aud": "north-care",
        "azp": "north-worklist",
        "typ": "Bearer",
        "sub": casey.id,
        "name": casey.name,
        "preferred_username": "casey",
        "hospital": "north",
        "units": ["cardiology"],
        "roles": ["coordinator"],
        "acr": "2",
    }
    assert {name: claims.get(name) for name in expected} == expected
    assert sorted(claims["amr"]) == ["otp", "pwd"]
    assert claims["exp"] - claims["iat"] == sign_in.LIFETIME
    assert sign_in.Issuer("north").claims().keys() <= claims.keys()
    identity = browser.claims(tokens.json()["id_token"])
    assert (identity["aud"], identity["nonce"]) == ("north-worklist", "nonce-of-the-gateway")


def test_a_code_is_redeemed_once(keycloak: Keycloak) -> None:
    browser, robin = keycloak.browser(), person("robin")
    code = browser.code(browser.sign_in(robin))
    assert browser.redeem(code).status_code == 200
    again = browser.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_manager_has_all_units_and_is_signed_in_again_with_the_same_session(keycloak: Keycloak) -> None:
    browser = keycloak.browser()
    assert browser.code(browser.sign_in(person("morgan"))) is not None
    again = browser.open()
    claims = browser.access_claims(again)
    assert sorted(claims["units"]) == ["4 West", "cardiology"]
    assert (claims["roles"], claims["acr"]) == (["manager"], "2")


def test_codes_are_bound_to_client_verifier_and_address(keycloak: Keycloak) -> None:
    alex = person("alex")
    browser = keycloak.browser()
    code = browser.code(browser.sign_in(alex))
    assert code is not None
    refusals = [
        browser.redeem(code, code_verifier="another" * 8),
        browser.redeem(code, code_verifier=None),
        browser.redeem(code, client_id="south-worklist"),
        browser.redeem(code, redirect_uri="https://attacker.example/oauth2/callback"),
    ]
    assert [answer.status_code in (400, 401) for answer in refusals] == [True] * len(refusals)
    assert "access_token" not in "".join(answer.text for answer in refusals)


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"redirect_uri": "https://attacker.example/oauth2/callback"},
        {"response_type": "token"},
        {"response_type": "id_token token"},
        {"client_id": "south-worklist"},
        {"scope": "openid offline_access"},
        {"request": "e30.e30."},
        {"request_uri": "https://attacker.example/request"},
        {"prompt": "none"},
        {"client_id": "account"},
        {"client_id": "admin-cli"},
    ],
    ids=str,
)
def test_other_requests_for_a_code_show_no_form(keycloak: Keycloak, changed: dict[str, str | None]) -> None:
    answer = keycloak.browser().open(**changed)
    assert "otp" not in answer.text
    assert 'type="password"' not in answer.text
    assert "code=" not in answer.headers.get("location", "")


def test_a_request_for_one_factor_is_asked_for_both(keycloak: Keycloak) -> None:
    browser, casey = keycloak.browser(SOUTH), person("casey", "south")
    page = browser.fill(browser.open(acr_values="1"), username=casey.username, password=casey.password)
    assert browser.code(page) is None
    claims = browser.access_claims(browser.fill(page, otp=casey.code()))
    assert (claims["acr"], claims["hospital"], claims["aud"]) == ("2", "south", "south-care")


def test_a_wrong_one_time_password_and_a_used_one_are_refused(keycloak: Keycloak) -> None:
    morgan = person("morgan", "south")
    browser = keycloak.browser(SOUTH)
    page = browser.password(morgan)
    wrong = browser.fill(page, otp=f"{(int(morgan.code()) + 1) % 1_000_000:06d}")
    assert browser.code(wrong) is None
    right = morgan.code()
    corrected = browser.fill(wrong, otp=right)
    assert browser.code(corrected) is not None, browser.message(corrected)
    other = keycloak.browser(SOUTH)
    used = other.fill(other.password(morgan), otp=right)
    assert other.code(used) is None
    assert other.code(other.fill(used, otp=next_code(morgan))) is not None


def test_a_wrong_password_is_not_asked_for_a_one_time_password(keycloak: Keycloak) -> None:
    browser = keycloak.browser(SOUTH)
    page = browser.password(person("robin", "south"), "another password")
    assert browser.code(page) is None
    assert 'name="otp"' not in page.text


@pytest.mark.parametrize("acr", [None, "0", "1", "2"])
def test_a_person_without_a_second_factor_gets_no_code_and_cannot_register_one(
    keycloak: Keycloak, acr: str | None
) -> None:
    browser, jamie = keycloak.browser(), person("jamie")
    page = browser.fill(browser.open(acr_values=acr), username=jamie.username, password=jamie.password)
    assert browser.code(page) is None
    assert "<form" not in page.text
    assert "required-action" not in page.headers.get("location", "")


@pytest.mark.parametrize("client", ["north-worklist", "admin-cli", "account", "account-console"])
@pytest.mark.parametrize("username", ["casey", "jamie"])
def test_passwords_are_not_exchanged_for_tokens(keycloak: Keycloak, username: str, client: str) -> None:
    browser = keycloak.browser()
    asked = {"grant_type": "password", "username": username, "password": person(username).password}
    answer = browser.client.post(f"{browser.issuer}/protocol/openid-connect/token", data={"client_id": client, **asked})
    assert answer.status_code in (400, 401)
    assert "access_token" not in answer.text


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("openid-connect", {"redirect_uris": ["https://attacker.example/callback"]}),
        ("default", {"clientId": "another", "redirectUris": ["https://attacker.example/callback"]}),
    ],
)
def test_nobody_registers_a_client(keycloak: Keycloak, kind: str, wanted: dict[str, object]) -> None:
    browser = keycloak.browser()
    answer = browser.client.post(f"{browser.issuer}/clients-registrations/{kind}", json=wanted)
    assert answer.status_code in (401, 403), answer.text


def test_a_session_is_not_made_longer_by_its_refresh_token(keycloak: Keycloak) -> None:
    browser = keycloak.browser(SOUTH)
    tokens = browser.redeem(browser.code(browser.sign_in(person("robin", "south")))).json()
    assert tokens["refresh_expires_in"] <= 900
    asked = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "south-worklist"}
    answer = browser.client.post(f"{browser.issuer}/protocol/openid-connect/token", data=asked).json()
    first, second = (browser.claims(one["access_token"]) for one in (tokens, answer))
    assert {name: first[name] for name in ("acr", "amr", "auth_time", "sid")} == {
        name: second[name] for name in ("acr", "amr", "auth_time", "sid")
    }


def test_a_person_of_another_hospital_is_unknown(keycloak: Keycloak) -> None:
    browser = keycloak.browser(SOUTH)
    assert browser.code(browser.password(person("casey", "north"))) is None


def test_an_account_is_locked_after_failed_attempts(keycloak: Keycloak) -> None:
    browser, alex = keycloak.browser(SOUTH), person("alex", "south")
    page = browser.open()
    for _ in range(5):
        page = browser.fill(page, username=alex.username, password="another password")
    page = browser.fill(page, username=alex.username, password=alex.password)
    assert 'name="otp"' not in page.text
    assert browser.code(page) is None


def test_the_discovery_document_offers_the_code_flow_with_pkce(keycloak: Keycloak) -> None:
    browser = keycloak.browser()
    document = browser.client.get(server.discovery(browser.issuer)).json()
    assert document["issuer"] == browser.issuer
    assert "code" in document["response_types_supported"]
    assert "S256" in document["code_challenge_methods_supported"]
    assert all(str(value).startswith(keycloak.url) for name, value in document.items() if name.endswith("_endpoint"))


def test_a_program_gets_a_token_with_the_claims_of_the_gateway_by_its_key(keycloak: Keycloak) -> None:
    caller = Caller(keycloak)
    claims = caller.browser.claims(caller.own.access_token("readmission.scores", caller.issuer))
    expected = {
        "iss": caller.issuer,
        "aud": "readmission-risk",
        "client_id": "north-program",
        "scope": "readmission.scores",
        "typ": "Bearer",
    }
    assert {name: claims.get(name) for name in expected} == expected
    assert claims["exp"] - claims["iat"] == programs_realm.ACCESS_TOKEN_SECONDS
    assert claims["sub"]
    both = caller.own.access_token("readmission.scores notes.extract", caller.issuer)
    assert set(caller.browser.claims(both)["scope"].split()) == {"readmission.scores", "notes.extract"}
    without = caller.ask(caller.own.assertion(caller.issuer), scope=None)
    assert caller.browser.claims(without.json()["access_token"])["scope"] == ""


def test_a_program_that_does_not_prove_itself_gets_no_token(keycloak: Keycloak) -> None:
    caller, other = Caller(keycloak), Caller(keycloak, "south-program")
    sign, name = caller.own.application.sign, caller.own.name
    proof = {"iss": name, "sub": name, "aud": caller.issuer}
    used = caller.own.assertion(caller.issuer)
    assert caller.ask(used).status_code == 200
    refusals = {
        "used": caller.ask(used),
        "another's key": caller.ask(other.own.application.sign(proof, 30)),
        "another's": caller.ask(other.own.assertion(caller.issuer)),
        "another audience": caller.ask(sign({**proof, "aud": "https://elsewhere.example"}, 30)),
        "expired": caller.ask(sign(proof, -60)),
        "issued long ago": caller.ask(sign({**proof, "iat": 1}, 3600)),
        "unsigned": caller.ask("e30.e30."),
        "none": caller.ask("", client_assertion=None, client_assertion_type=None),
        "a secret": caller.ask("", client_assertion=None, client_assertion_type=None, client_secret="secret"),
        "a password": caller.ask(caller.own.assertion(caller.issuer), grant_type="password", username="casey"),
    }
    assert [why for why, answer in refusals.items() if answer.status_code not in (400, 401)] == []
    assert "access_token" not in "".join(answer.text for answer in refusals.values())


def test_a_scope_that_no_program_has_is_one_sentence(keycloak: Keycloak) -> None:
    caller = Caller(keycloak)
    with pytest.raises(UserError, match=r"refused a token of scope outreach.send to north-program .400 invalid_scope"):
        caller.own.access_token("outreach.send", caller.issuer)
    with pytest.raises(UserError, match="does not answer"):
        caller.own.access_token("notes.extract", "https://127.0.0.1:9/realms/programs")


def test_realms_follow_the_entries(keycloak: Keycloak, tmp_path: Path) -> None:
    east = replace(NORTH, hospital="east", client="east-worklist", audience="east-care")
    people = {("east", one.username): one for one in staff("east", east.units, {})}
    STAFF.update(people)
    assert keycloak.apply(NORTH, SOUTH, east) == {"east": "created"}
    assert keycloak.apply(NORTH, SOUTH, east) == {}
    more = replace(east, units=("surgery", *east.units))
    browser, casey = keycloak.browser(more), person("casey", "east")
    before = browser.client.get(f"{browser.issuer}/protocol/openid-connect/certs").json()
    assert keycloak.apply(NORTH, SOUTH, more) == {"east": "replaced"}
    after = browser.client.get(f"{browser.issuer}/protocol/openid-connect/certs").json()
    assert [key["kid"] for key in after["keys"]] == [key["kid"] for key in before["keys"]]
    claims = browser.access_claims(browser.sign_in(casey))
    assert (claims["sub"], claims["units"]) == (casey.id, ["surgery"])
    assert keycloak.apply(NORTH, SOUTH) == {"east": "removed"}
    assert browser.client.get(server.discovery(browser.issuer)).status_code == 404
    assert keycloak.browser().client.get(server.discovery(keycloak.browser().issuer)).status_code == 200


def test_another_secret_changes_nothing(keycloak: Keycloak, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Keycloak answered 401 to POST .*/token"):
        admin.apply(keycloak.url, keycloak.authority, "another", [])


def test_entries_become_realms_and_leave_with_their_hospitals(
    keycloak: Keycloak, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last: its entries replace the realms of the other tests."""
    monkeypatch.setattr(hospitals_sign_in, "KEYCLOAK_URL", keycloak.url)
    home = keycloak.home
    provider = {"issuer": f"{keycloak.url}/realms/west", "client": "west-worklist", "audience": "west-care"}
    entries: list[dict[str, Any]] = [{"name": "west", "units": ["medicine"], "signIn": provider}, {"name": "own"}]
    first = hospitals_sign_in.apply(home, entries)
    assert first.done == {"north": "removed", "south": "removed", "programs": "removed", "west": "created"}
    assert first.staff == home.root / "sign-in.json"
    assert hospitals_sign_in.apply(home, entries).done == {}
    morgan = read(home)["west", "morgan"]
    [settings] = hospitals_sign_in.realms(entries)
    browser = keycloak.browser(settings)
    claims = browser.access_claims(browser.sign_in(morgan))
    assert (claims["sub"], claims["hospital"], claims["units"]) == (morgan.id, "west", ["medicine"])
    gateway = {"issuer": f"{keycloak.url}/realms/programs", "audience": "readmission-risk"}
    assert hospitals_sign_in.apply(home, entries, gateway).done == {"programs": "created"}
    left = hospitals_sign_in.apply(home, entries[1:])
    assert (left.done, left.staff) == ({"programs": "removed", "west": "removed"}, None)
    assert read(home) == {}
