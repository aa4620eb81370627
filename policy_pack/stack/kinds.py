"""Resource kinds (types without versions), and the properties by which resources refer to each other."""

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
SUBNET = "aws:ec2/subnet:Subnet"
ID_KEYS = ("id", "arn", "name")
EKS = "aws:eks/cluster:Cluster"
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
EC2_INSTANCE = "aws:ec2/instance:Instance"
EBS_VOLUME = "aws:ebs/volume:Volume"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LOAD_BALANCERS = (LOAD_BALANCER, "aws:alb/loadBalancer:LoadBalancer")
LISTENERS = ("aws:lb/listener:Listener", "aws:alb/listener:Listener")
RDS_INSTANCE = "aws:rds/instance:Instance"
RDS_CLUSTER = "aws:rds/cluster:Cluster"
RDS_CLUSTER_INSTANCE = "aws:rds/clusterInstance:ClusterInstance"
DATABASES = (RDS_INSTANCE, RDS_CLUSTER)
REPOSITORY = "aws:ecr/repository:Repository"
BACKUP_VAULT = "aws:backup/vault:Vault"

NAMESPACE = "k8s:core/Namespace"
SERVICE = "k8s:core/Service"
SERVICE_ACCOUNT = "k8s:core/ServiceAccount"
CONFIG_MAP = "k8s:core/ConfigMap"
SECRET = "k8s:core/Secret"
NETWORK_POLICY = "k8s:networking.k8s.io/NetworkPolicy"
PERSISTENT_VOLUME = "k8s:core/PersistentVolume"
STORAGE_CLASS = "k8s:storage.k8s.io/StorageClass"
INGRESS = "k8s:networking.k8s.io/Ingress"
INFERENCE_SERVICE = "k8s:serving.kserve.io/InferenceService"
SERVING_RUNTIMES = ("k8s:serving.kserve.io/ServingRuntime", "k8s:serving.kserve.io/ClusterServingRuntime")
GATEWAY = "k8s:gateway.networking.k8s.io/Gateway"
GATEWAY_CLASS = "k8s:gateway.networking.k8s.io/GatewayClass"
HTTP_ROUTE = "k8s:gateway.networking.k8s.io/HTTPRoute"
ROUTE_KINDS = (
    HTTP_ROUTE,
    "k8s:gateway.networking.k8s.io/GRPCRoute",
    "k8s:gateway.networking.k8s.io/TLSRoute",
    "k8s:gateway.networking.k8s.io/TCPRoute",
    "k8s:gateway.networking.k8s.io/UDPRoute",
)
REFERENCE_GRANT = "k8s:gateway.networking.k8s.io/ReferenceGrant"
ENVOY_PROXY = "k8s:gateway.envoyproxy.io/EnvoyProxy"
CLIENT_POLICY = "k8s:gateway.envoyproxy.io/ClientTrafficPolicy"
SECURITY_POLICY = "k8s:gateway.envoyproxy.io/SecurityPolicy"
TRAFFIC_POLICY = "k8s:gateway.envoyproxy.io/BackendTrafficPolicy"
ROUTE_FILTER = "k8s:gateway.envoyproxy.io/HTTPRouteFilter"
CERTIFICATE = "k8s:cert-manager.io/Certificate"
DISRUPTION_BUDGET = "k8s:policy/PodDisruptionBudget"
ADMISSION_POLICY = "k8s:admissionregistration.k8s.io/ValidatingAdmissionPolicy"
ADMISSION_BINDING = "k8s:admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding"
HELM_CHARTS = ("k8s:helm.sh/Release", "k8s:helm.sh/Chart")

VAULT_POLICY = "vault:index/policy:Policy"
VAULT_KUBERNETES_ROLE = "vault:kubernetes/authBackendRole:AuthBackendRole"
VAULT_KUBERNETES_CONFIG = "vault:kubernetes/authBackendConfig:AuthBackendConfig"
VAULT_AUTH_METHOD = "vault:index/authBackend:AuthBackend"
VAULT_JWT_AUTH = "vault:jwt/authBackend:AuthBackend"
VAULT_JWT_ROLE = "vault:jwt/authBackendRole:AuthBackendRole"
VAULT_AUDIT = "vault:index/audit:Audit"
