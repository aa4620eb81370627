"""Seeded violations of the controls over access to the cluster and to Vault, one property at a time."""

from policy_pack.stack.graph import Resource
from tests.policy.builders import GONE, build, policy
from tests.policy.seeds.seed import Seed, absent, extra, seed

_JOB = "k8s:batch/CronJob"
_POD = "spec.jobTemplate.spec.template.spec"
_SA = "k8s:core/ServiceAccount"
_IS = "k8s:serving.kserve.io/InferenceService"
_ROLE = "k8s:rbac.authorization.k8s.io/ClusterRole"
_BINDING = "k8s:rbac.authorization.k8s.io/RoleBinding"
_CONFIG = "k8s:core/ConfigMap"
_ADMISSION, _CERTIFICATES = "admissionregistration.k8s.io", "certificates.k8s.io"
_AGGREGATED = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
_VROLE = "vault:kubernetes/authBackendRole:AuthBackendRole"
_VPOLICY = "vault:index/policy:Policy"
_DATABASE_ROLE = "vault:database/secretBackendRole:SecretBackendRole"
_CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection"
_PKI_ROLE = "vault:pkiSecret/secretBackendRole:SecretBackendRole"
_VKEY = "vault:transit/secretBackendKey:SecretBackendKey"
_VCONFIG = "vault:kubernetes/authBackendConfig:AuthBackendConfig"
_JWT = "vault:jwt/authBackend:AuthBackend"
_JWT_ROLE = "vault:jwt/authBackendRole:AuthBackendRole"


def rule(**parts: object) -> dict[str, object]:
    return {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], **parts}


def subject(**parts: object) -> dict[str, object]:
    return {"kind": "ServiceAccount", "name": "trainer", "namespace": "north-data", **parts}


def _audit_device(**options: str) -> Resource:
    """Return an audit device that a stack declares with the options of the server's own, and with others."""
    return build("vault:index/audit:Audit", "file", {"type": "file", "options": {"file_path": "/vault/a", **options}})


SEEDS: list[Seed] = [
    *(seed("AC-10", _ROLE, "rules[0].verbs", [verb], name="viewer") for verb in ("*", "create", "escalate", "bind")),
    *(
        seed("AC-10", _ROLE, "rules[0].resources", [resource], name="viewer")
        for resource in ("*", "secrets", "pods/exec", "*/exec", "pods/*", "*/*")
    ),
    seed("AC-10", _ROLE, "rules[0]", rule(resources=["pods/log"]), name="viewer"),
    seed(
        "AC-10",
        _ROLE,
        "rules[0]",
        rule(resources=["unheard"], apiGroups=["new.example"], verbs=["patch"]),
        name="viewer",
    ),
    *(
        seed("AC-10", _ROLE, "rules[0]", rule(**parts), name="viewer")
        for parts in (
            {"resources": ["serviceaccounts/token"], "verbs": ["create"]},
            {"resources": ["serviceaccounts"], "verbs": ["impersonate"]},
            {"resources": ["services/status"], "verbs": ["patch"]},
            {"resources": ["pods/ephemeralcontainers"], "verbs": ["patch"]},
            {"resources": ["secrets"], "resourceNames": ["fhir"]},
            {"resources": ["secrets"], "verbs": ["watch"]},
            {"resources": ["inferenceservices"], "apiGroups": ["serving.kserve.io"], "verbs": ["create"]},
            {"resources": ["rollouts"], "apiGroups": ["argoproj.io"], "verbs": ["create"]},
            {"resources": ["networkpolicies"], "apiGroups": ["networking.k8s.io"], "verbs": ["delete"]},
            {"resources": ["rolebindings"], "apiGroups": ["rbac.authorization.k8s.io"], "verbs": ["create"]},
        )
    ),
    *(
        seed("AC-10", _ROLE, "rules[0]", rule(**parts), name="token-review")
        for parts in (
            {"resources": ["nodes/proxy"]},
            {"resources": ["users"], "verbs": ["impersonate"]},
            {"resources": ["groups"], "verbs": ["impersonate"], "resourceNames": ["system:masters"]},
            {"resources": ["userextras/scopes"], "apiGroups": ["authentication.k8s.io"], "verbs": ["impersonate"]},
            {
                "resources": ["mutatingwebhookconfigurations"],
                "apiGroups": ["admissionregistration.k8s.io"],
                "verbs": ["patch"],
            },
            {"resources": ["persistentvolumes"], "verbs": ["create"]},
            {"resources": ["nodes"], "verbs": ["patch"]},
            {
                "resources": ["certificatesigningrequests/approval"],
                "apiGroups": ["certificates.k8s.io"],
                "verbs": ["update"],
            },
            {"resources": ["signers"], "apiGroups": [_CERTIFICATES], "verbs": ["sign"]},
            {"resources": [], "apiGroups": [], "nonResourceURLs": ["/logs/*"]},
            {"resources": [], "apiGroups": [], "nonResourceURLs": ["*"]},
        )
    ),
    seed("AC-10", _ROLE, "aggregationRule", {"clusterRoleSelectors": [{}]}, name="viewer"),
    seed("AC-10", _BINDING, "roleRef.name", "cluster-admin"),
    seed("AC-10", _BINDING, "roleRef.name", "undeclared"),
    seed("AC-11", _BINDING, "subjects[0].name", "default"),
    seed("AC-11", _BINDING, "subjects[0]", subject(kind="Group", name="system:authenticated")),
    seed("AC-11", _BINDING, "subjects[0]", subject(kind="Group", name="system:serviceaccounts:north-data")),
    seed("AC-11", _BINDING, "subjects[0]", subject(kind="User", name="system:serviceaccount:south-data:trainer")),
    seed("AC-11", _BINDING, "subjects[0].name", "system:anonymous"),
    seed("AC-11", _BINDING, "subjects[0].namespace", "south-data"),
    seed("AC-11", _BINDING, "metadata.namespace", "south-phi"),
    seed("AC-11", _ROLE, "metadata", {"name": "system:basic-user"}, name="viewer", hides=False),
    seed("AC-11", _ROLE, "metadata", {"name": "more", "labels": _AGGREGATED}, name="viewer", hides=False),
    seed("AC-12", _VPOLICY, "policy", policy("north/kv/x", "sudo")),
    seed("AC-12", _VPOLICY, "policy", policy("*")),
    seed("AC-12", _VPOLICY, "policy", policy("secret/*")),
    seed("AC-12", _VPOLICY, "policy", policy("south/kv/data/x"), name="north-*"),
    seed("AC-12", _VPOLICY, "policy", policy("+/transit/hmac/pseudonym", "update"), name="north-ingestor"),
    seed("AC-12", _VPOLICY, "policy", policy("north/transit/hmac/*", "update"), name="north-ingestor"),
    seed("AC-12", _VPOLICY, "policy", policy("{{identity.entity.name}}/transit/hmac/pseudonym", "update")),
    seed("AC-12", _VPOLICY, "policy", policy("north/transit/export/hmac-key/pseudonym"), name="north-*"),
    seed("AC-12", _VPOLICY, "policy", policy("auth/token/create", "update")),
    seed("AC-12", _VPOLICY, "policy", '{"path": {"sys/*": {"capabilities": ["read"]}}}'),
    seed("AC-12", _VPOLICY, "name", "default", name="north-ingestor"),
    seed("AC-12", _VROLE, "boundServiceAccountNames", ["*"]),
    seed("AC-12", _VROLE, "boundServiceAccountNames", ["ingest*"]),
    seed("AC-12", _VROLE, "boundServiceAccountNames", []),
    seed("AC-12", _VROLE, "boundServiceAccountNamespaces", ["*"]),
    seed("AC-12", _VROLE, "boundServiceAccountNamespaces[0]", "elsewhere"),
    seed("AC-12", _VROLE, "boundServiceAccountNamespaces[0]", "south-phi", name="north-ingestor"),
    seed("AC-12", _VROLE, "boundServiceAccountNamespaceSelector", "{}", hides=False),
    seed("AC-12", _VROLE, "tokenTtl", 0),
    seed("AC-12", _VROLE, "tokenPolicies", ["root"]),
    seed("AC-12", _VROLE, "tokenPolicies[0]", "undeclared"),
    seed("AC-12", _JWT_ROLE, "tokenPolicies", ["north-ingestor"]),
    *(seed("AC-12", _VKEY, flag, True) for flag in ("exportable", "allowPlaintextBackup")),
    *(
        seed("AC-12", _DATABASE_ROLE, "creationStatements[1]", statement)
        for statement in (
            'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}"',
            'GRANT DELETE ON ALL TABLES IN SCHEMA readmission TO "{{name}}"',
            'GRANT rds_superuser TO "{{name}}"',
            'ALTER ROLE "{{name}}" BYPASSRLS',
            "SELECT grant_everything()",
        )
    ),
    seed("AC-12", _CONNECTION, "postgresql.username", "administrator"),
    seed("AC-12", _CONNECTION, "postgresql.connectionUrl", "postgresql://db:5432/platform"),
    *(
        seed("AC-12", _PKI_ROLE, flag, True)
        for flag in (
            "allowAnyName",
            "allowSubdomains",
            "allowGlobDomains",
            "allowIpSans",
            "codeSigningFlag",
            "clientFlag",
        )
    ),
    seed("AC-12", _PKI_ROLE, "allowedUriSans", ["spiffe://*"]),
    seed("AC-12", _PKI_ROLE, "clientFlag", True, name="*-gateway"),
    seed("AC-12", _PKI_ROLE, "allowedDomains", ["other.example"], name="*-gateway"),
    seed("AC-12", _PKI_ROLE, "maxTtl", "315360000"),
    seed("AC-13", _JOB, f"{_POD}.serviceAccountName", "default"),
    seed("AC-13", _JOB, f"{_POD}.serviceAccountName", GONE),
    seed("AC-13", _JOB, f"{_POD}.automountServiceAccountToken", True),
    seed("AC-13", _IS, "spec.predictor.automountServiceAccountToken", GONE),
    seed("AC-13", _SA, "automountServiceAccountToken", GONE),
    seed("AC-13", _JOB, f"{_POD}.serviceAccountName", "trainer", name="north-features", hides=False),
    seed("AC-14", _CONFIG, "metadata.name", "aws-auth").with_("data", {"mapRoles": "groups: [system:masters]"}),
    seed("AC-16", _VROLE, "tokenMaxTtl", 0),
    seed("AC-16", _VROLE, "tokenMaxTtl", 86400),
    seed("AC-16", _VROLE, "tokenPeriod", 3600),
    seed("AC-16", _DATABASE_ROLE, "maxTtl", 86400),
    seed("AC-16", _JWT_ROLE, "tokenTtl", 3600),
    seed("AC-17", "vault:index/quotaRateLimit:QuotaRateLimit", "path", "kv"),
    absent("AC-17", "vault:index/quotaRateLimit:QuotaRateLimit"),
    seed("AUTH-02", "vault:identity/mfaLoginEnforcement:MfaLoginEnforcement", "authMethodTypes", ["oidc"]),
    seed("AUTH-03", _VCONFIG, "disableLocalCaJwt", GONE),
    seed("AUTH-03", _VCONFIG, "issuer", "https://cluster").with_("disableIssValidation", True),
    seed("AUTH-03", _VROLE, "audience", GONE),
    seed("AUTH-03", _JWT, "boundIssuer", GONE),
    seed("AUTH-03", _JWT, "jwtSupportedAlgs", GONE),
    seed("AUTH-03", _JWT, "jwtSupportedAlgs[0]", "HS256"),
    seed("AUTH-03", _JWT_ROLE, "boundAudiences", []),
    extra("AUD-06", _audit_device(log_raw="true")),
    extra("AUD-06", _audit_device(hmac_accessor="false")),
    seed("INT-03", "vault:transit/secretBackendKey:SecretBackendKey", "deletionAllowed", True),
    seed("INT-03", "vault:index/mount:Mount", "", None).unprotected(),
]
