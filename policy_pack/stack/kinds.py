"""Types (without versions) and keys by which resources name each other."""

BUCKET = "aws:s3/bucket:Bucket"
BUCKET_KEYS = ("bucket", "id")
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
BUCKET_SSE = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
BUCKET_VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
BUCKET_LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
BUCKET_LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
BUCKET_LOGGING = "aws:s3/bucketLogging:BucketLogging"
BUCKET_REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
KEY = "aws:kms/key:Key"
KEY_KEYS = ("arn", "keyId", "id")
REPLICA_KEY = "aws:kms/replicaKey:ReplicaKey"
ROLE = "aws:iam/role:Role"
ROLE_KEYS = ("name", "arn", "id")
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
IAM_POLICIES = (
    "aws:iam/policy:Policy",
    ROLE_POLICY,
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/groupPolicy:GroupPolicy",
)
VPC = "aws:ec2/vpc:Vpc"
ID_KEYS = ("id", "arn", "name")
EKS = "aws:eks/cluster:Cluster"
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
INSTANCE = "aws:ec2/instance:Instance"
VOLUME = "aws:ebs/volume:Volume"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
BALANCERS = (BALANCER, "aws:alb/loadBalancer:LoadBalancer")
RDS_INSTANCE = "aws:rds/instance:Instance"
RDS_CLUSTER = "aws:rds/cluster:Cluster"
RDS_MEMBER = "aws:rds/clusterInstance:ClusterInstance"
DATABASES = (RDS_INSTANCE, RDS_CLUSTER)
REPOSITORY = "aws:ecr/repository:Repository"
BACKUP_VAULT = "aws:backup/vault:Vault"

NAMESPACE = "k8s:core/Namespace"
SERVICE = "k8s:core/Service"
ACCOUNT = "k8s:core/ServiceAccount"
CONFIG_MAP = "k8s:core/ConfigMap"
NETWORK_POLICY = "k8s:networking.k8s.io/NetworkPolicy"
INGRESS = "k8s:networking.k8s.io/Ingress"
INFERENCE = "k8s:serving.kserve.io/InferenceService"
RUNTIMES = ("k8s:serving.kserve.io/ServingRuntime", "k8s:serving.kserve.io/ClusterServingRuntime")
GATEWAY = "k8s:gateway.networking.k8s.io/Gateway"
ROUTE = "k8s:gateway.networking.k8s.io/HTTPRoute"
CLIENT_POLICY = "k8s:gateway.envoyproxy.io/ClientTrafficPolicy"
SECURITY_POLICY = "k8s:gateway.envoyproxy.io/SecurityPolicy"
DISRUPTION_BUDGET = "k8s:policy/PodDisruptionBudget"
HELM = ("k8s:helm.sh/Release", "k8s:helm.sh/Chart")

VAULT_POLICY = "vault:index/policy:Policy"
VAULT_ROLE = "vault:kubernetes/authBackendRole:AuthBackendRole"
VAULT_CONFIG = "vault:kubernetes/authBackendConfig:AuthBackendConfig"
VAULT_LOGIN = "vault:index/authBackend:AuthBackend"
VAULT_JWT = "vault:jwt/authBackend:AuthBackend"
VAULT_JWT_ROLE = "vault:jwt/authBackendRole:AuthBackendRole"
VAULT_AUDIT = "vault:index/audit:Audit"
