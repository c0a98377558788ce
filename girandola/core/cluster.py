"""The other nodes: who they are, telling them something, and asking all of them.

Knows the messages of nodes and who carries them; not what is done about them, which the node says
by ``handle`` and ``answer``.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from random import SystemRandom
from typing import Any

from msgspec import Struct

from girandola.core.outage import Outage, describe
from girandola.core.ports import Clock, ControlEvents, Controller, Waiter
from girandola.errors import Unavailable
from girandola.model import NodeInfo
from girandola.protocol import internode
from girandola.protocol.internode import (
    SURVEY_INTERNAL,
    Message,
    NodeGone,
    NodePing,
    Survey,
    SurveyAnswer,
    Unreadable,
)

logger = logging.getLogger(__name__)

PING_INTERVAL = 3.0
SWEEP_INTERVAL = 9.0
SILENCE = 7.0
"""Seconds after which a node that says nothing is taken for gone (internode.md section 9)."""

MAX_NODES = 10_000
"""Nodes that are remembered; whoever can write to the cluster could make up any number."""

SURVEY_TIMEOUT = 10.0


class Alone:
    """The ``ports.Controller`` of a node without others."""

    far = False

    async def start(self, events: ControlEvents, node: str) -> None:
        """See ``Controller.start``."""

    async def check(self) -> None:
        """See ``Engine.check``."""

    async def close(self) -> None:
        """See ``Engine.close``."""

    async def send(self, frame: bytes, node: str = "") -> None:
        """See ``Controller.send``."""


class _Other(Struct):
    """Another node, as it told of itself, and when it last did."""

    info: NodeInfo
    seen_at: float


class _Question:
    """A survey under way."""

    __slots__ = ("answers", "missing", "waiter")

    def __init__(self, missing: set[str], waiter: Waiter[None]) -> None:
        self.missing = missing
        self.answers: dict[str, SurveyAnswer] = {}
        self.waiter = waiter


class Cluster:
    """This node among the others.

    ``describe_me`` returns what this node tells of itself; ``handle`` takes the calls of other
    nodes, and ``answer`` their surveys.
    """

    def __init__(
        self,
        clock: Clock,
        controller: Controller,
        uid: str,
        outage: Outage,
        *,
        describe_me: Callable[[], NodeInfo],
        handle: Callable[[Message], Coroutine[Any, Any, None]],
        answer: Callable[[Survey], Awaitable[SurveyAnswer]],
    ) -> None:
        self._clock = clock
        self._controller = controller
        self._uid = uid
        self._outage = outage
        self._describe_me = describe_me
        self._handle = handle
        self._answer = answer
        self._others: dict[str, _Other] = {}
        self._questions: dict[int, _Question] = {}
        self._last_id = SystemRandom().getrandbits(32)
        self._running = False

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Join. Raises what the controller raises."""
        await self._controller.start(self, self._uid)
        if self._controller.far:
            self._running = True
            self._ping()
            self._clock.call_later(SWEEP_INTERVAL, self._sweep)

    async def leave(self) -> None:
        """Say good-bye; a failure is not reported."""
        if self._running:
            self._running = False
            await self._try_to_send(NodeGone())

    async def close(self) -> None:
        """Let go of the controller."""
        await self._controller.close()

    def _ping(self) -> None:
        if self._running:
            self._clock.spawn(self._try_to_send(NodePing(self._describe_me())))
            self._clock.call_later(PING_INTERVAL, self._ping)

    def _sweep(self) -> None:
        if not self._running:
            return
        now = self._clock.now()
        for uid in [uid for uid, other in self._others.items() if other.seen_at + SILENCE < now]:
            logger.warning("node %s has not been heard of for %.0f seconds", uid, SILENCE)
            self._forget(uid)
        self._clock.call_later(SWEEP_INTERVAL, self._sweep)

    def _forget(self, uid: str) -> None:
        self._others.pop(uid, None)
        for question in self._questions.values():
            question.missing.discard(uid)
            self._look_if_answered(question)

    # ── speaking ─────────────────────────────────────────────────────────────────────────────

    @property
    def nodes(self) -> list[NodeInfo]:
        """What every node tells of itself, this one first."""
        return [self._describe_me(), *(other.info for other in self._others.values())]

    @property
    def has_others(self) -> bool:
        """Whether any other node is known."""
        return bool(self._others)

    async def tell(self, message: Message, node: str = "") -> None:
        """Tell all other nodes, or one.

        Raises:
            Unavailable: it could not be sent.
        """
        if not self._controller.far:
            return
        try:
            await self._controller.send(internode.write(self._uid, message), node)
        except Exception as error:
            self._outage.failed(error)
            raise Unavailable(describe(error)) from None
        self._outage.worked()

    async def ask(
        self,
        op: str,
        data: bytes = b"",
        node: str = "",
        timeout: float = SURVEY_TIMEOUT,  # noqa: ASYNC109  the clock is the core's own
    ) -> dict[str, SurveyAnswer]:
        """Ask every node, or one, and return the answers by uid, with this node's own.

        Nodes that do not answer in time are left out, and named in the log.

        Raises:
            Unavailable: the question could not be sent.
        """
        self._last_id += 1
        survey = Survey(self._last_id, op, data)
        answers = {} if node and node != self._uid else {self._uid: await self._own_answer(survey)}
        missing = {node} & self._others.keys() if node else set(self._others)
        if not missing:
            return answers
        question = self._questions[survey.id] = _Question(missing, self._clock.waiter())
        timer = self._clock.call_later(timeout, self._give_up, survey.id)
        try:
            await self.tell(survey, node)
            if question.missing:
                await question.waiter
        finally:
            timer.cancel()
            del self._questions[survey.id]
        if question.missing:
            logger.warning(
                "survey %s: no answer within %.1f seconds from %s",
                op,
                timeout,
                ", ".join(sorted(question.missing)),
            )
        return answers | question.answers

    def _give_up(self, survey: int) -> None:
        question = self._questions.get(survey)
        if question is not None and not question.waiter.done():
            question.waiter.set_result(None)

    async def _try_to_send(self, message: Message, node: str = "") -> None:
        try:
            await self.tell(message, node)
        except Unavailable:
            return

    # ── hearing ──────────────────────────────────────────────────────────────────────────────

    def on_control(self, frame: bytes) -> None:
        """See ``ports.ControlEvents``."""
        try:
            sender, message = internode.read(frame)
        except Unreadable as error:
            logger.warning("a message between nodes was not understood: %s", error)
            return
        if sender == self._uid:
            return
        match message:
            case NodePing(info):
                self._meet(sender, info)
            case NodeGone():
                self._forget(sender)
            case SurveyAnswer():
                self._take_answer(sender, message)
            case Survey():
                self._clock.spawn(self._reply(sender, message))
            case _:
                self._clock.spawn(self._handle(message))

    def _meet(self, uid: str, info: NodeInfo) -> None:
        known = self._others.get(uid)
        if known is None:
            if len(self._others) >= MAX_NODES:
                return
            logger.info("met node %s (%s)", uid, info.name)
            self._clock.spawn(self._try_to_send(NodePing(self._describe_me()), uid))
        elif not info.metrics:
            info.metrics = known.info.metrics  # sent only when there are new ones
        self._others[uid] = _Other(info, self._clock.now())

    def _take_answer(self, sender: str, answer: SurveyAnswer) -> None:
        question = self._questions.get(answer.id)
        if question is not None and sender in question.missing:
            question.missing.discard(sender)
            question.answers[sender] = answer
            self._look_if_answered(question)

    def _look_if_answered(self, question: _Question) -> None:
        if not question.missing and not question.waiter.done():
            question.waiter.set_result(None)

    async def _reply(self, sender: str, survey: Survey) -> None:
        await self._try_to_send(await self._own_answer(survey), sender)

    async def _own_answer(self, survey: Survey) -> SurveyAnswer:
        try:
            return await self._answer(survey)
        except Exception:
            logger.exception("internal error in survey %r", survey.op)
            return SurveyAnswer(survey.id, SURVEY_INTERNAL)
