"""Port ranges of NetworkPolicies."""

from policy_pack.facts.network.ports import PortRange, intersection


def test_port_ranges_meet_where_they_overlap() -> None:
    assert intersection([PortRange("TCP", 80, 90)], [PortRange("TCP", 85, 100), PortRange("UDP", 80, 90)]) == {
        ("TCP", 85, 90)
    }
