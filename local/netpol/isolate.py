"""Isolation of NetworkPolicies that the kernel rejects, so that the others are still enforced.

Such a policy is found by bisection, and its pods are closed in its directions, as if it allowed nothing. Candidates
are only checked: until the search has ended, the last rules stay in force.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from local.netpol.compile import Network, Ruleset, compile_ruleset
from local.netpol.enforce import EnforcementError, Enforcer
from local.netpol.model import Policy, Snapshot

# A rejection may depend on the state of the cluster at that time, so the policy is tried again.
RETRY_SECONDS = 60.0
# Each check compiles and loads the whole cluster; policies not cleared within the limit stay closed.
MOST_CHECKS = 40

Key = tuple[str, str]


@dataclass(frozen=True)
class _Refusal:
    policy: Policy
    reason: str
    until: float


class Isolation:
    """Enforcement of all policies except those that the kernel rejects, whose pods are closed.

    Parameters
    ----------
    enforcer
        The owner of the rules.
    network
        The pod network.
    clock
        Returns seconds.
    """

    def __init__(self, enforcer: Enforcer, network: Network, clock: Callable[[], float] = time.monotonic) -> None:
        self._enforcer, self._network, self._clock = enforcer, network, clock
        self._applied: dict[Key, Policy] = {}
        self._refused: dict[Key, _Refusal] = {}

    def enforce(self, snapshot: Snapshot) -> tuple[Ruleset, bool, tuple[Policy, ...]]:
        """Enforce the cluster's policies.

        Returns
        -------
        tuple
            The rules, whether they are new, and the policies that are closed, with the reason.

        Raises
        ------
        EnforcementError
            If the kernel refuses the rules even with all policies closed.
        """
        try:
            ruleset, changed, policies = self._apply(snapshot)
        except EnforcementError as error:
            self._search(snapshot, str(error))
            ruleset, changed, policies = self._apply(snapshot)
        self._applied = {policy.key: policy for policy in policies if not policy.problem}
        return ruleset, changed, tuple(policy for policy in policies if policy.problem)

    def _apply(self, snapshot: Snapshot) -> tuple[Ruleset, bool, list[Policy]]:
        policies = [self._as_known(policy) for policy in snapshot.policies]
        ruleset = self._compiled(replace(snapshot, policies=tuple(policies)))
        return ruleset, self._enforcer.apply(ruleset), policies

    def _as_known(self, policy: Policy) -> Policy:
        """Return the policy, closed if it was rejected unchanged and it is too early to retry."""
        refusal = self._refused.get(policy.key)
        if refusal is None or refusal.policy != policy or refusal.until <= self._clock():
            return policy
        return policy.closed(refusal.reason)

    def _compiled(self, snapshot: Snapshot) -> Ruleset:
        try:
            return compile_ruleset(snapshot, self._network)
        except Exception as error:  # whatever error a policy causes, the others are enforced
            raise EnforcementError(f"{type(error).__name__}: {error}") from error

    def _search(self, snapshot: Snapshot, first: str) -> None:
        """Find the policies that the kernel rejects; those accepted before are cleared first."""
        search = _Search(self._check, snapshot, first)
        search.require_base()
        proven = [policy for policy in snapshot.policies if self._applied.get(policy.key) == policy]
        search.clear(proven)
        search.clear([policy for policy in snapshot.policies if self._applied.get(policy.key) != policy])
        until = self._clock() + RETRY_SECONDS
        self._refused = {
            policy.key: _Refusal(policy, search.refused[policy.key], until)
            for policy in snapshot.policies
            if policy.key in search.refused
        }

    def _check(self, snapshot: Snapshot) -> None:
        self._enforcer.check(self._compiled(snapshot))


def _sentence(message: str) -> str:
    """Return the error message of nft, without its position in the ruleset text."""
    first = message.partition("\n")[0]
    return first.partition("Error: ")[2] or first


class _Search:
    """Bisection for the policies that make the kernel reject the ruleset."""

    def __init__(self, check: Callable[[Snapshot], None], snapshot: Snapshot, reason: str) -> None:
        self._check, self._snapshot = check, snapshot
        self._cleared: set[Key] = set()
        self._left = MOST_CHECKS
        self._reason = reason
        self.refused: dict[Key, str] = {}

    def require_base(self) -> None:
        """Check that the rejection is caused by a policy.

        Raises
        ------
        EnforcementError
            If the rules are refused with all policies closed.
        """
        if not self._loads(set()):
            raise EnforcementError(self._reason)

    def clear(self, policies: Sequence[Policy]) -> None:
        """Clear the policies that can be loaded together with the cleared ones; reject the others."""
        if not policies:
            return
        keys = {policy.key for policy in policies}
        if self._left and self._loads(self._cleared | keys):
            self._cleared |= keys
        elif len(policies) == 1 or not self._left:
            self.refused |= dict.fromkeys(keys, f"nftables refuses it ({_sentence(self._reason)})")
        else:
            middle = len(policies) // 2
            self.clear(policies[:middle])
            self.clear(policies[middle:])

    def _loads(self, keys: set[Key]) -> bool:
        self._left -= 1
        policies = [policy if policy.key in keys else policy.closed("unclear") for policy in self._snapshot.policies]
        try:
            self._check(replace(self._snapshot, policies=tuple(policies)))
        except EnforcementError as error:
            self._reason = str(error)
            return False
        return True
