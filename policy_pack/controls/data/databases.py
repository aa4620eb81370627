"""Databases: copies and zones, what they tell, who can reach them."""

from policy_pack.controls.rules import on, on_join, on_set
from policy_pack.stack.checks import About, Findings, between, expect, fault, has_all, later, not_yes
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import DATABASES, RDS_CLUSTER, RDS_INSTANCE, RDS_MEMBER

_CLUSTER_KEYS = ("clusterIdentifier", "id")


@on_set("BCP-04", *DATABASES)
def databases_keep_copies(database: Resource, about: About) -> Findings:
    """Ask databases for backups of their own, and single ones for a second zone."""
    if about.synthetic:
        return
    if database.kind == RDS_INSTANCE:
        yield from expect(database.at("multiAz"), lambda value: value is True, "stands in one zone alone")
    yield from expect(database.at("backupRetentionPeriod"), between(7, 35), "keeps backups for less than a week")


@on_join("BCP-04", RDS_CLUSTER)
def clusters_stand_in_two_zones(cluster: Resource, about: About) -> Findings:
    """Ask a cluster for two members in different zones; one that names its own machines has three by itself."""
    if about.synthetic or not cluster.at("dbClusterInstanceClass").absent:
        return
    members = about.attached(cluster, RDS_MEMBER, "clusterIdentifier", _CLUSTER_KEYS)
    if len(members) < 2:
        traced = not about.graph.unresolved(RDS_MEMBER, "clusterIdentifier")
        yield fault("has fewer than two members") if traced else later("members")
        return
    zones = [member.at("availabilityZone").text() for member in members]
    if all(zones) and len(set(zones)) == 1:
        yield fault(f"has all its members in {zones[0]}")


@on("AUD-05", *DATABASES)
def databases_record(database: Resource) -> Findings:
    """Ask that the log of a database, in which its audit records are, leaves the database."""
    exports = database.at("enabledCloudwatchLogsExports")
    yield from expect(exports, has_all("postgresql"), "keeps its log to itself")


@on("AUD-07", RDS_INSTANCE, RDS_MEMBER)
def databases_are_watched(database: Resource) -> Findings:
    """Ask for monitoring of the machine below the database, at least each minute."""
    yield from expect(database.at("monitoringInterval"), between(1, 60), "nobody watches the machine below it")


@on("SEG-07", RDS_INSTANCE, RDS_MEMBER)
def databases_are_inside(database: Resource) -> Findings:
    """Refuse public addresses."""
    yield from expect(database.at("publiclyAccessible"), not_yes, "has a public address")


@on("VM-03", RDS_INSTANCE, RDS_MEMBER)
def databases_take_patches(database: Resource) -> Findings:
    """Refuse databases that do not take minor versions, in which their patches come."""
    patched = database.at("autoMinorVersionUpgrade")
    yield from expect(patched, lambda value: value in (None, True, "true"), "takes no patches by itself")
