"""The canary of a hospital, as a request sees it: whether it answers an encounter."""

from services.planning.delivery.choice import in_share
from services.planning.delivery.releases import AssignedCanary
from services.planning.delivery.stops import Stops
from services.planning.model_client import ReleaseServer
from services.planning.release import AssignedRelease


class Canary:
    """The release that answers a share of the encounters, until it is stopped.

    Parameters
    ----------
    assigned : AssignedCanary
        Release and share.
    server : ReleaseServer
        The release, read and verified, and its server.
    stops : Stops
        The canaries that were stopped.
    """

    def __init__(self, assigned: AssignedCanary, server: ReleaseServer, stops: Stops) -> None:
        self.assigned, self.server, self._stops = assigned, server, stops

    def release(self) -> AssignedRelease | None:
        """Return the release while it may answer: it could be read, and is known not to be stopped."""
        release = self.server.source.get()
        return release if release is not None and self._stops.allows(release.digest) else None

    def may_take(self, cohort: str | None) -> bool:
        """Return whether an encounter is one of those that the canary gets a share of."""
        return not self.assigned.cohort or cohort == "canary"

    def takes(self, encounter: str, cohort: str | None) -> bool:
        """Return whether an encounter is in the canary's share."""
        return self.may_take(cohort) and in_share(encounter, self.assigned.digest, self.assigned.percent)
