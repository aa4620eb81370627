"""Identity provider of a hospital's staff, as the programs that verify its tokens need it."""

from infra.cluster.cluster import PLATFORM_CA_FILE, Cluster
from infra.settings import Hospital


def sign_in_environment(cluster: Cluster, hospital: Hospital) -> dict[str, str]:
    """Return the environment variables of the identity provider; none for a hospital whose staff do not sign in."""
    provider = hospital.sign_in
    if provider is None:
        return {}
    values = {
        "SIGN_IN_ISSUER": provider.issuer,
        "SIGN_IN_AUDIENCE": provider.audience,
        "SIGN_IN_ACR": ",".join(provider.second_factor),
    }
    return values | ({"SIGN_IN_CA": PLATFORM_CA_FILE} if cluster.private_ca else {})
