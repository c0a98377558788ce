"""Path to route."""

import pytest

from girandola.net.http import Request, Response
from girandola.net.router import Mount, Route, Router, WebSocketRoute

ANY = Route(lambda request: Response(200))
GET = Route(lambda request: Response(200), ("GET",))
POST = Route(lambda request: Response(200), ("POST",))
SOCKET = WebSocketRoute(lambda request: Response(503))


def find(router: Router, method: str, path: str) -> object:
    return router.find(Request(method, path))


def test_an_exact_path_wins_over_a_prefix_and_a_long_prefix_over_a_short_one() -> None:
    router = Router()
    router.add_prefix("/api/", ANY)
    router.add_prefix("/api/v2/", GET)
    router.add("/api/v2/info", POST)
    assert find(router, "GET", "/api/") is ANY
    assert find(router, "GET", "/api/publish") is ANY
    assert find(router, "GET", "/api/v2/publish") is GET
    assert find(router, "POST", "/api/v2/info") is POST


def test_a_door_finds_its_own_way_below_its_prefix_but_for_exact_paths() -> None:
    router = Router()
    router.add_door("/connection/", lambda request: POST)
    router.add("/connection/websocket", SOCKET)
    router.add_prefix("/", ANY)
    for path in ("/connection", "/connection/", "/connection/a/b"):
        assert find(router, "GET", path) is POST
    assert find(router, "GET", "/connection/websocket") is SOCKET
    assert find(router, "GET", "/connections") is ANY
    assert router.paths == ["/connection/websocket", "/", "/connection"]


def test_paths_are_compared_percent_decoded() -> None:
    router = Router()
    router.add("/käse", GET)
    assert find(router, "GET", "/k%C3%A4se") is GET


@pytest.mark.parametrize("path", ["/", "/api", "/apixx", "*", "/ap"])
def test_a_path_that_is_not_in_the_table_is_not_found(path: str) -> None:
    router = Router()
    router.add_prefix("/api/", ANY)
    answer = find(router, "GET", path)
    assert isinstance(answer, Response)
    assert (answer.status, answer.body) == (404, b"Not Found\n")


def test_a_route_without_methods_takes_any() -> None:
    """As the API of 2018 did (classic.md section 5.1)."""
    router = Router()
    router.add("/api/", ANY)
    assert all(find(router, method, "/api/") is ANY for method in ("GET", "PUT", "QUERY"))


def test_a_route_that_takes_get_takes_head() -> None:
    router = Router()
    router.add("/", GET)
    assert find(router, "HEAD", "/") is GET


@pytest.mark.parametrize(("route", "allow"), [(GET, "GET, HEAD"), (POST, "POST")])
def test_another_method_is_told_which_ones_are_allowed(route: Route, allow: str) -> None:
    router = Router()
    router.add("/", route)
    answer = find(router, "DELETE", "/")
    assert isinstance(answer, Response)
    assert (answer.status, list(answer.headers)) == (405, [("Allow", allow)])


def test_a_websocket_route_decides_about_methods_itself() -> None:
    router = Router()
    router.add("/ws", SOCKET)
    assert find(router, "POST", "/ws") is SOCKET


def test_a_path_can_lead_elsewhere() -> None:
    router = Router()
    router.redirect("/api", "/api/")
    answer = find(router, "POST", "/api")
    assert isinstance(answer, Response)
    assert (answer.status, list(answer.headers)) == (301, [("Location", "/api/")])


def test_a_path_is_added_once() -> None:
    router = Router()
    router.add("/a", GET)
    router.add_prefix("/b/", GET)
    with pytest.raises(ValueError, match="'/a' is taken"):
        router.add("/a", POST)
    with pytest.raises(ValueError, match="'/b/' is taken"):
        router.add_prefix("/b/", POST)


def test_paths_begin_and_prefixes_end_with_a_slash() -> None:
    with pytest.raises(ValueError, match="'a'"):
        Router().add("a", GET)
    with pytest.raises(ValueError, match="'/a'"):
        Router().add_prefix("/a", GET)


# ── below a prefix ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("prefix", ["/rt", "/rt/"])
def test_who_is_mounted_never_sees_the_prefix(prefix: str) -> None:
    router = Router()
    seen: list[str] = []

    def handler(request: Request) -> Response:
        seen.append(request.path)
        return Response(200)

    router.add_prefix("/api/", Route(handler))
    request = Request("GET", "/rt/api/info")
    route = Mount(prefix, router).find(request)
    assert isinstance(route, Route)
    route.handler(request)
    assert seen == ["/api/info"]
    assert request.raw_path == "/rt/api/info"


@pytest.mark.parametrize("path", ["/api/info", "/rt", "/rtapi/info", "/r", "/"])
def test_outside_of_the_prefix_nothing_is_found(path: str) -> None:
    router = Router()
    router.add_prefix("/", Route(lambda request: Response(200)))
    found = Mount("/rt", router).find(Request("GET", path))
    assert isinstance(found, Response)
    assert found.status == 404


def test_without_a_prefix_everything_is_where_it_was() -> None:
    router = Router()
    router.add("/a", Route(lambda request: Response(200)))
    assert isinstance(Mount("", router).find(Request("GET", "/a")), Route)


def test_paths_that_lead_somewhere_are_told_once() -> None:
    router = Router()
    route = Route(lambda request: Response(200))
    router.add("/ws", route)
    router.redirect("/old", "/ws")
    router.add("/api", route)
    router.add_prefix("/api/", route)
    router.add_prefix("/files/", route)
    assert router.paths == ["/ws", "/api", "/files/"]
