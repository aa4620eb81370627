"""Kafka on MSK, for records that arrive as events: three zones, TLS and IAM alone, its own key, nothing by accident."""

import pulumi
from pulumi_aws import msk

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.log_group import Logs, LogsArgs
from infra.databases.store_args import StoreArgs
from infra.settings import names
from infra.settings.values import DataClass

VERSION = "3.8.x"
BROKERS = 3
CLASS = "kafka.m7g.large"
GIGABYTES = 200
# A record is kept until the bucket of raw data surely has it; a write stands when two zones have it.
PROPERTIES = {
    "auto.create.topics.enable": "false",
    "allow.everyone.if.no.acl.found": "false",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "log.retention.hours": "72",
}


class Streaming(pulumi.ComponentResource):
    """A broker in each zone, in subnets that lead nowhere; who may use which topic is said by IAM."""

    def __init__(self, name: str, args: StoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Streaming", name, None, opts)
        settings, child = args.settings, pulumi.ResourceOptions(parent=self)
        called = names.stem(settings.environment)
        key = PlatformKey(name, PlatformKeyArgs(settings, "streaming", through=("kafka",)), child)
        logs = Logs(name, LogsArgs(settings, f"/hmlops/{settings.environment}/kafka", args.logs_key_arn), child)
        configuration = msk.Configuration(
            name,
            name=called,
            kafka_versions=[VERSION],
            server_properties="".join(f"{property}={value}\n" for property, value in sorted(PROPERTIES.items())),
            opts=child,
        )
        msk.Cluster(
            name,
            cluster_name=called,
            kafka_version=VERSION,
            number_of_broker_nodes=BROKERS,
            broker_node_group_info=msk.ClusterBrokerNodeGroupInfoArgs(
                client_subnets=args.network.data_subnet_ids,
                instance_type=CLASS,
                security_groups=[args.network.groups["streaming"]],
                storage_info=msk.ClusterBrokerNodeGroupInfoStorageInfoArgs(
                    ebs_storage_info=msk.ClusterBrokerNodeGroupInfoStorageInfoEbsStorageInfoArgs(volume_size=GIGABYTES)
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
