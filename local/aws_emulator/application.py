"""Emulator application: authenticates, authorises, journals and performs each request."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import time_machine

from local.aws_emulator import operations
from local.aws_emulator.access import s3_actions
from local.aws_emulator.access.authority import Authority, Caller
from local.aws_emulator.access.sessions import Sessions
from local.aws_emulator.access.signatures import Signed, read, verify
from local.aws_emulator.access.sts import Issuer, TokenService
from local.aws_emulator.eks.clusters import Clusters, Face
from local.aws_emulator.eks.eks import CALLER, Eks
from local.aws_emulator.eks.token_review import Reviewer
from local.aws_emulator.journal import Entry, Journal
from local.aws_emulator.messages import TOKEN_REVIEW, Answer, AwsError, Request, refusal
from local.aws_emulator.moto.backend import Call, Moto
from local.aws_emulator.state import State, create_administrator

log = logging.getLogger(__name__)

_EVERYTHING: Final = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_ADMINISTRATOR: Final = "hmlops-admin"


def _stop() -> None:
    """End the process immediately: memory and journal differ, and a restart replays the journal."""
    os._exit(3)


@dataclass
class Emulator:
    """AWS emulator in one process.

    Parameters
    ----------
    journal
        Journal of modifying requests.
    issuer
        OIDC issuer of accepted web identities.
    host
        Host and port of the emulator's endpoint.
    cluster
        Endpoint used for all EKS clusters, if any.
    """

    journal: Journal
    issuer: Issuer
    host: str
    cluster: Face | None = None
    stop: Callable[[], None] = _stop
    _number: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        secret = self.journal.secret
        self._moto = Moto(secret)
        state, clusters = State(), Clusters(self.cluster)
        self._authority = Authority(state, Sessions(secret))
        self._eks = Eks(clusters, state)
        self._reviewer = Reviewer(self._authority, clusters, self.host)
        self._tokens = TokenService(self._authority, self.issuer)
        self.administrator = create_administrator(self._moto, _ADMINISTRATOR, _EVERYTHING)

    def replay(self) -> int:
        """Replay all journal entries, each at its recorded time, and return their number."""
        count = 0
        for entry in self.journal.entries():
            with time_machine.travel(datetime.fromtimestamp(entry.at, UTC), tick=False):
                answer = self._perform(entry.call, entry.number)
            if answer.status >= 400:
                log.warning("Entry %d (%s) gave status %d at replay", entry.number, entry.call.service, answer.status)
            count += 1
        self._number = self.journal.last()
        return count

    def answer(self, request: Request) -> Answer:
        """Handle one request."""
        if request.path == TOKEN_REVIEW:
            with self._moto.exclusive():
                return self._reviewer.answer(request)
        service = "s3"
        try:
            signed = read(request)
            service = signed.service if signed is not None else operations.unsigned_service(request)
            if signed is None:
                return self._answer_unsigned(request)
            return self._answer_signed(request, signed)
        except AwsError as error:
            log.info("%s %s refused: %s: %s", request.method, service, error.code, error.message)
            return refusal(error, request, service)

    def _answer_unsigned(self, request: Request) -> Answer:
        form = dict(request.form)
        if form.get("Action") == "AssumeRoleWithWebIdentity":
            with self._moto.exclusive():
                return self._tokens.assume_with_web_identity(form)
        if operations.unsigned_service(request) == "s3":
            raise AwsError("AccessDenied", "Access Denied: this request is not signed")
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token")

    def _answer_signed(self, request: Request, signed: Signed) -> Answer:
        with self._moto.exclusive():
            secret = self._authority.secret_of(signed)
            verify(request, signed, secret, datetime.now(UTC))
            caller = self._authority.caller(signed)
            if signed.service == "sts":
                return self._answer_sts(request, caller)
            if signed.service == "eks":
                kept = [pair for pair in request.headers if pair[0] != CALLER]
                request = request.with_headers([*kept, (CALLER, caller.owner)])
            if signed.service == "s3" and s3_actions.names_bucket(request, self.host):
                reason = "the bucket is in the host's name; this emulator takes it from the path (path-style addresses)"
                raise AwsError("InvalidRequest", reason, 400)
            call = Call(request, signed.service, signed.region, signed.access_key)
            operation = operations.name(call)
            self._authority.require(caller, request, signed, operation)
            operations.refuse_unfit(request, signed.service, operation)
            if operations.only_reads(request, signed.service, operation):
                return self._perform(call)
            return self._change(call)

    def _answer_sts(self, request: Request, caller: Caller) -> Answer:
        form = dict(request.form)
        action = form.get("Action", "")
        if action == "GetCallerIdentity":
            return self._tokens.identity(caller)
        if action == "AssumeRole":
            return self._tokens.assume(caller, form)
        if action == "AssumeRoleWithWebIdentity":
            return self._tokens.assume_with_web_identity(form)
        raise AwsError("InvalidAction", f"sts:{action} is not emulated", 400)

    def _change(self, call: Call) -> Answer:
        """Perform a modifying request, with its journal entry on disk before the response."""
        self._number += 1
        bucket, source = _buckets(call)
        entry = Entry(self._number, time.time(), call, bucket, source)
        try:
            self.journal.begin(entry)
            answer = self._perform(call, self._number)
            if answer.status >= 400:
                self.journal.drop()
                return answer
            self.journal.keep()
            if bucket and call.request.method == "DELETE" and not self._authority.state.has_bucket(bucket):
                self.journal.forget_bucket(bucket, self._number)
        except Exception:
            log.exception("The journal could not be written; stopping so that a restart reads what is on disk")
            self.stop()
            raise
        return answer

    def _perform(self, call: Call, number: int | None = None) -> Answer:
        try:
            if call.service == "eks":
                self._moto.prepare(call, number)
                return self._eks.perform(call, self._moto.run)
            return self._moto.perform(call, number)
        except AwsError as error:
            return refusal(error, call.request, call.service)
        except NotImplementedError as error:
            log.warning("Not emulated: %s", error)
            return refusal(AwsError("NotEmulated", f"Not emulated: {error}", 501), call.request, call.service)
        except Exception as error:
            log.warning("%s failed in the emulator: %s", call.service, type(error).__name__)
            failed = AwsError("InternalFailure", f"The emulator failed: {type(error).__name__}", 500)
            return refusal(failed, call.request, call.service)


def _buckets(call: Call) -> tuple[str, str]:
    """Return the bucket that a call modifies and the source bucket of a copy."""
    if call.service != "s3":
        return "", ""
    place = s3_actions.split(call.request.path)
    source = call.request.header("x-amz-copy-source").removeprefix("/").partition("/")[0]
    return (place[0] if place else ""), source
