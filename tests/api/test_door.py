"""Which generation a request is of, by path, method and headers."""

import pytest

from girandola.auth.signs import api_sign
from girandola.net.http import Caller, Request, Response, Route
from girandola.options import ClassicOptions, HttpApiOptions
from tests.api.conftest import KEY, Api

CHANNELS = b'{"method":"channels"}'
MODERN = b'{"result":{"channels":{}}}'
LEGACY = b'{"result":{"channels":{}}}'
CLASSIC = b'[{"method":"channels","error":null,"body":{"data":[]}}]'


def signed(api: Api, method: str, path: str) -> Response:
    sign = api_sign("s", CHANNELS)
    return api.send(
        method, path, CHANNELS, content_type="application/json", x_api_sign=sign, x_api_key=KEY
    )


@pytest.fixture
def both(api: Api) -> Api:
    api.door.configure(HttpApiOptions(key=KEY), ClassicOptions(secret="s"))
    return api


def test_a_post_to_a_known_method_is_todays(both: Api) -> None:
    assert both.send("POST", "/api/channels", b"{}", x_api_key=KEY).body == MODERN


def test_a_post_to_the_prefix_is_of_centrifugo_2(both: Api) -> None:
    assert both.send("POST", "/api", CHANNELS, x_api_key=KEY).body == LEGACY


def test_a_sign_makes_any_path_below_one_of_2018(both: Api) -> None:
    for path in ("/api/", "/api/channels", "/api/x/y"):
        assert signed(both, "POST", path).body == CLASSIC


def test_other_http_methods_are_of_2018(both: Api) -> None:
    assert signed(both, "GET", "/api/channels").body == CLASSIC
    assert both.send("GET", "/api/channels").status == 400


@pytest.mark.parametrize(("query", "target"), [("", "/api/"), ("a=b", "/api/?a=b")])
def test_a_get_without_the_slash_is_sent_on(both: Api, query: str, target: str) -> None:
    response = both.send("GET", "/api", query=query)
    assert response.status == 301
    assert ("Location", target) in response.headers


def test_without_2018_settings_there_is_no_2018(api: Api) -> None:
    assert signed(api, "POST", "/api/").status == 404
    assert signed(api, "POST", "/api/unknown").status == 404
    assert signed(api, "POST", "/api/channels").body == MODERN
    assert api.send("GET", "/api/channels").status == 405
    assert api.send("GET", "/api").status == 405


@pytest.mark.parametrize(
    ("http_api", "classic"),
    [
        (HttpApiOptions(), ClassicOptions(secret="s")),
        (HttpApiOptions(), ClassicOptions(allow_empty_secret=True)),
        (HttpApiOptions(insecure=True), ClassicOptions()),
    ],
)
def test_what_offers_2018(api: Api, http_api: HttpApiOptions, classic: ClassicOptions) -> None:
    api.door.configure(http_api, classic)
    assert signed(api, "POST", "/api/").status in {200, 400}


def test_unknown_methods_are_a_404(api: Api) -> None:
    for path in ("/api/what", "/api/", "/api/publish/", "/api/a/b", "/apiary", "/"):
        assert api.send("POST", path, b"{}", x_api_key=KEY).status == 404


def test_the_prefix_can_be_another_one(api: Api) -> None:
    for prefix, path in (("/v1/rt/", "/v1/rt"), ("/", "")):
        api.door.configure(HttpApiOptions(key=KEY, handler_prefix=prefix), ClassicOptions())
        assert api.send("POST", f"{path}/channels", b"{}", x_api_key=KEY).body == MODERN
    assert api.send("POST", "/api/channels", b"{}", x_api_key=KEY).status == 404


def test_a_disabled_api_is_not_there(api: Api) -> None:
    api.door.configure(HttpApiOptions(key=KEY, disabled=True), ClassicOptions(secret="s"))
    assert api.send("POST", "/api/channels", b"{}", x_api_key=KEY).status == 404
    assert signed(api, "POST", "/api/").status == 404


def route(api: Api, path: str, **headers: str) -> Route:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found = api.door.find(Request("POST", path, headers=named))
    assert isinstance(found, Route)
    return found


@pytest.mark.parametrize("path", ["/api", "/api/channels", "/api/batch"])
def test_bodies_have_a_limit_which_is_named(api: Api, path: str) -> None:
    api.door.configure(HttpApiOptions(key=KEY, max_body_size=10), ClassicOptions())
    found = route(api, path, x_api_key=KEY)
    assert (found.max_body, found.limited_by) == (10, "http_api.max_body_size")
    assert found.caller is Caller.APPLICATION


@pytest.mark.parametrize("path", ["/api", "/api/publish", "/api/batch"])
@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"authorization": "apikey no"}])
def test_who_shows_no_key_is_refused_by_the_head(
    both: Api, path: str, headers: dict[str, str]
) -> None:
    found = both.door.find(Request("POST", path, headers=headers))
    assert isinstance(found, Response)
    assert found.status == 401


def test_a_body_that_must_be_read_to_know_its_sender_has_a_limit_of_its_own(both: Api) -> None:
    both.door.configure(HttpApiOptions(key=KEY), ClassicOptions(secret="s"))
    stranger, known = route(both, "/api/"), route(both, "/api/", x_api_key=KEY)
    assert (stranger.max_body, stranger.limited_by) == (2**20, "classic.max_signed_body_size")
    assert (stranger.caller, known.caller) == (Caller.CLAIMANT, Caller.APPLICATION)
    assert (known.max_body, known.limited_by) == (2**26, "http_api.max_body_size")
    assert both.send("POST", "/api/", CHANNELS, x_api_key=KEY).status == 400


def test_the_limit_of_signed_bodies_never_is_above_that_of_all(api: Api) -> None:
    classic = ClassicOptions(secret="s", max_signed_body_size=1000)
    api.door.configure(HttpApiOptions(key=KEY, max_body_size=10), classic)
    assert route(api, "/api/").max_body == 10


@pytest.mark.parametrize(
    ("secret", "headers"), [("", {}), ("s", {"content-type": "application/json"})]
)
def test_what_no_body_could_make_right_is_refused_by_the_head(
    api: Api, secret: str, headers: dict[str, str]
) -> None:
    classic = ClassicOptions(secret=secret, allow_empty_secret=True)
    api.door.configure(HttpApiOptions(key=KEY), classic)
    found = api.door.find(Request("POST", "/api/", headers=headers))
    assert isinstance(found, Response)
    assert found.status == 400


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/channels"])
def test_a_stopping_server_answers_503_with_an_empty_body(both: Api, path: str) -> None:
    both.door.close()
    response = signed(both, "POST", path)
    assert (response.status, response.body) == (503, b"")


def test_new_settings_hold_from_the_next_request_on(api: Api) -> None:
    api.door.configure(HttpApiOptions(key="new"), ClassicOptions())
    assert api.send("POST", "/api/info", b"{}", x_api_key=KEY).status == 401
    assert api.send("POST", "/api/info", b"{}", x_api_key="new").status == 200
