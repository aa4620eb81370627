"""The share of a release: the same encounters always, about as many as asked, and more of them for a greater share."""

import hashlib
import math

from hypothesis import given
from hypothesis import strategies as st

from services.planning.delivery.choice import in_share

DIGESTS = st.text("0123456789abcdef", min_size=12, max_size=64)
ENCOUNTERS = st.text("0123456789abcdef", min_size=6, max_size=64).map(lambda text: f"v1-{text}")
PERCENT = st.integers(0, 100)


@given(ENCOUNTERS, DIGESTS, PERCENT, PERCENT)
def test_a_greater_share_only_adds_encounters(encounter: str, digest: str, one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert in_share(encounter, digest, less) <= in_share(encounter, digest, more)
    assert in_share(encounter, digest, 100)
    assert not in_share(encounter, digest, 0)


@given(ENCOUNTERS, DIGESTS, PERCENT)
def test_an_encounter_keeps_its_place(encounter: str, digest: str, percent: int) -> None:
    assert in_share(encounter, digest, percent) == in_share(encounter, digest[:12], percent)


@given(DIGESTS, st.integers(1, 99))
def test_the_share_is_about_the_percentage(digest: str, percent: int) -> None:
    number = 4000
    pseudonyms = (f"v1-{hashlib.sha256(str(one).encode()).hexdigest()}" for one in range(number))
    share = sum(in_share(pseudonym, digest, percent) for pseudonym in pseudonyms) / number
    # Six standard deviations: of thousands of digests that are tried, none is outside.
    deviation = math.sqrt(percent / 100 * (1 - percent / 100) / number)
    assert abs(share - percent / 100) < 6 * deviation


def test_two_releases_get_different_encounters() -> None:
    encounters = [f"v1-{number:012x}" for number in range(1000)]
    shares = [{one for one in encounters if in_share(one, digest, 20)} for digest in ("a" * 12, "b" * 12)]
    assert 10 < len(shares[0] & shares[1]) < 80
