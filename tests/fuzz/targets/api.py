"""Bodies for the server API of all generations: any of them is answered, by 200, 400 or 401."""

import logging

from girandola.auth.signs import api_sign
from girandola.options import ClassicOptions, HttpApiOptions
from tests.api.conftest import KEY, Api

SECRET = "the secret of 2018"

SEEDS = (
    b'{"channel":"chat:a","data":{"a":1},"tags":{"a":"b"},"b64data":"e30=","delta":true}',
    b'{"channels":["a","b"],"data":1,"idempotency_key":"k","skip_history":true}',
    b'{"commands":[{"publish":{"channel":"a","data":1}},{"info":{}}],"parallel":true}',
    b'{"user":"4","channel":"a","expire_at":1,"info":{},"disconnect":{"code":4000,"reason":"x"}}',
    b'{"channel":"chat:a","limit":-1,"since":{"offset":1,"epoch":"e"},"reverse":true}',
    b'{"id":1,"method":"publish","params":{"channel":"a","data":{}}}\n{"method":"info"}',
    b'[{"method":"publish","params":{"channel":"a","data":1}},{"method":"channels","params":{}}]',
    b"sign=a&data=%7B%22method%22%3A%22node%22%7D",
    b'--b\r\nContent-Disposition: form-data; name="data"\r\n\r\n{}\r\n--b--\r\n',
)
WORDS = (
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\n", b"null", b"true", b"-1", b"1e400", b"[]"),
    *(b'"channel"', b'"channels"', b'"data"', b'"b64data"', b'"params"', b'"method"', b'"user"'),
    *(b'"commands"', b'"pattern":"*["', b'"limit"', b"4294967296", b"\\ud800", b"\xff", b"%", b"&"),
    *(b"sign=", b"data=", b"--b", b"\r\n", b'name="data"', b"chat:a", b"binary:a", b"json:a"),
)
PATHS = tuple(f"/api/{name}" for name in ("publish", "broadcast", "batch", "history", "disconnect"))
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b")


class _Errors(logging.Handler):
    """Makes an error in the log one of the test."""

    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(f"logged: {record.getMessage()}")


def _api() -> Api:
    made = Api()
    made.door.configure(HttpApiOptions(key=KEY), ClassicOptions(secret=SECRET))
    return made


API = _api()
logging.getLogger("girandola.api").addHandler(_Errors(logging.ERROR))


def one_input(data: bytes) -> None:
    """Send ``data`` with a key to today's API and that of before, and signed to that of 2018."""
    for path in (*PATHS, "/api"):
        answer = API.send("POST", path, data, x_api_key=KEY)
        assert answer.status in {200, 400}, path
    headers = {"x_api_sign": api_sign(SECRET, data), "content_type": "application/json"}
    assert API.send("POST", "/api/", data, **headers).status in {200, 400}
    for form in FORMS:
        assert API.send("POST", "/api/", data, content_type=form).status in {400, 401, 413}
