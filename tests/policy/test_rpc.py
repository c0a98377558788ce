"""Calls (modern.md section 5.6)."""

import pytest

from girandola.errors import NOT_AVAILABLE
from girandola.options import RpcPingOptions
from girandola.protocol.commands import Rpc
from tests.policy.house import FakePeer, policy, refusal, run


def test_the_built_in_ping_answers_with_nothing() -> None:
    rules = policy(ping=RpcPingOptions(enabled=True))
    assert run(rules.rpc(FakePeer(), Rpc(method="ping", data=b"1"))) == b""
    renamed = policy(ping=RpcPingOptions(enabled=True, method="echo"))
    assert run(renamed.rpc(FakePeer(), Rpc(method="echo"))) == b""
    assert refusal(renamed.rpc(FakePeer(), Rpc(method="ping"))) == NOT_AVAILABLE


@pytest.mark.parametrize("method", ["ping", "sum", "", "ns:sum"])
def test_other_methods_are_not_available(method: str) -> None:
    assert refusal(policy().rpc(FakePeer(), Rpc(method=method))) == NOT_AVAILABLE
