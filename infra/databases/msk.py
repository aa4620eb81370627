"""MSK cluster (Kafka) for event streams: a broker in each of three zones, TLS, IAM authentication, own KMS key."""

import pulumi
from pulumi_aws import msk

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.log_group import LogGroup, LogGroupArgs
from infra.databases.database_args import DatabaseArgs
from infra.settings import DataClass, names

VERSION = "3.8.x"
BROKERS = 3
INSTANCE_TYPE = "kafka.m7g.large"
VOLUME_GIB = 200
# Events stay three days, time enough to reach the raw bucket; a write needs two in-sync replicas.
SERVER_PROPERTIES = {
    "auto.create.topics.enable": "false",
    "allow.everyone.if.no.acl.found": "false",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "log.retention.hours": "72",
}


class Kafka(pulumi.ComponentResource):
    """MSK cluster with a broker in each availability zone; IAM policies authorize access to topics."""

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Streaming", name, None, opts)
        settings, child = args.settings, pulumi.ResourceOptions(parent=self)
        cluster_name = names.stem(settings.environment)
        key = PlatformKey(name, PlatformKeyArgs(settings, "streaming", via=("kafka",)), child)
        logs = LogGroup(
            name, LogGroupArgs(settings, f"/{names.PROJECT}/{settings.environment}/kafka", args.logs_key_arn), child
        )
        configuration = msk.Configuration(
            name,
            name=cluster_name,
            kafka_versions=[VERSION],
            server_properties="".join(f"{key}={value}\n" for key, value in sorted(SERVER_PROPERTIES.items())),
            opts=child,
        )
        msk.Cluster(
            name,
            cluster_name=cluster_name,
            kafka_version=VERSION,
            number_of_broker_nodes=BROKERS,
            broker_node_group_info=msk.ClusterBrokerNodeGroupInfoArgs(
                client_subnets=args.network.data_subnet_ids,
                instance_type=INSTANCE_TYPE,
                security_groups=[args.network.groups["streaming"]],
                storage_info=msk.ClusterBrokerNodeGroupInfoStorageInfoArgs(
                    ebs_storage_info=msk.ClusterBrokerNodeGroupInfoStorageInfoEbsStorageInfoArgs(volume_size=VOLUME_GIB)
                ),
            ),
            client_authentication=msk.ClusterClientAuthenticationArgs(
                sasl=msk.ClusterClientAuthenticationSaslArgs(iam=True)
            ),
            configuration_info=msk.ClusterConfigurationInfoArgs(
                arn=configuration.arn, revision=configuration.latest_revision
            ),
            encryption_info=msk.ClusterEncryptionInfoArgs(
                encryption_at_rest_kms_key_arn=key.arn,
                encryption_in_transit=msk.ClusterEncryptionInfoEncryptionInTransitArgs(
                    client_broker="TLS", in_cluster=True
                ),
            ),
            enhanced_monitoring="PER_TOPIC_PER_BROKER",
            logging_info=msk.ClusterLoggingInfoArgs(
                broker_logs=msk.ClusterLoggingInfoBrokerLogsArgs(
                    cloudwatch_logs=msk.ClusterLoggingInfoBrokerLogsCloudwatchLogsArgs(
                        enabled=True, log_group=logs.name
                    )
                )
            ),
            tags=names.tags(settings.environment, names.SHARED, DataClass.RAW),
            opts=pulumi.ResourceOptions(parent=self, protect=settings.tier.protect_data),
        )
        self.register_outputs({})
