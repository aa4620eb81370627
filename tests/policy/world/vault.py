"""Vault in the compliant stack: a hospital's mounts, keys, policies and roles, and the login methods."""

from policy_pack.stack.graph import Resource
from tests.policy.builders import build


def hospital(owner: str) -> list[Resource]:
    """Return the Vault resources of one hospital."""
    found = [
        build("vault:index/mount:Mount", f"{owner}-kv", {"path": f"{owner}/kv", "type": "kv"}, protect=True),
        *(
            build(
                "vault:transit/secretBackendKey:SecretBackendKey",
                f"{owner}-{key}",
                {"backend": f"{owner}/transit", "name": key, "deletionAllowed": False},
                protect=True,
            )
            for key in ("pseudonym", "release-signing")
        ),
    ]
    for workload, zone, path in (
        ("ingestor", "phi", "transit/hmac/pseudonym"),
        ("trainer", "data", "transit/sign/release-signing"),
    ):
        name = f"{owner}-{workload}"
        text = f'path "{owner}/{path}" {{\n  capabilities = ["update"]\n}}\n'
        found += [
            build("vault:index/policy:Policy", name, {"name": name, "policy": text}),
            build(
                "vault:kubernetes/authBackendRole:AuthBackendRole",
                name,
                {
                    "roleName": name,
                    "boundServiceAccountNames": [workload],
                    "boundServiceAccountNamespaces": [f"{owner}-{zone}"],
                    "audience": "vault",
                    "tokenPolicies": [name],
                    "tokenTtl": 900,
                    "tokenMaxTtl": 3600,
                },
            ),
        ]
    return found


def roles(owner: str) -> list[Resource]:
    """Return the database role and the PKI role of one hospital, with the connection to its database."""
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@db:5432/{owner}?sslmode=verify-full"
    statements = [
        "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';",
        'GRANT SELECT ON ALL TABLES IN SCHEMA readmission TO "{{name}}";',
    ]
    return [
        build(
            "vault:database/secretBackendConnection:SecretBackendConnection",
            f"{owner}-database",
            {
                "backend": f"{owner}/database",
                "name": "readmission",
                "allowedRoles": ["analyst"],
                "postgresql": {
                    "connectionUrl": url,
                    "username": f"vault_{owner}",
                    "passwordAuthentication": "scram-sha-256",
                },
            },
        ),
        build(
            "vault:database/secretBackendRole:SecretBackendRole",
            f"{owner}-database-analyst",
            {
                "backend": f"{owner}/database",
                "name": "analyst",
                "dbName": "readmission",
                "creationStatements": statements,
                "revocationStatements": [
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';",
                    'DROP ROLE "{{name}}";',
                ],
                "defaultTtl": 900,
                "maxTtl": 3600,
            },
        ),
        build(
            "vault:pkiSecret/secretBackendRole:SecretBackendRole",
            f"{owner}-pki-gateway",
            {
                "backend": f"{owner}/pki",
                "name": "gateway",
                "allowedDomains": [f"{owner}.example"],
                "allowBareDomains": True,
                "allowLocalhost": False,
                "allowIpSans": False,
                "serverFlag": True,
                "clientFlag": False,
                "keyType": "ec",
                "keyBits": 256,
                "keyUsages": ["DigitalSignature"],
                "ttl": "86400",
                "maxTtl": "2592000",
            },
        ),
    ]


def platform() -> list[Resource]:
    """Return the login methods that all hospitals share."""
    return [
        build("vault:index/authBackend:AuthBackend", "kubernetes", {"type": "kubernetes", "path": "kubernetes"}),
        build(
            "vault:index/authBackend:AuthBackend",
            "people",
            {"type": "userpass", "path": "people", "accessor": "auth_1"},
        ),
        build("vault:index/quotaRateLimit:QuotaRateLimit", "logins", {"path": "auth/people", "rate": 5}),
        build("vault:identity/mfaLoginEnforcement:MfaLoginEnforcement", "people", {"authMethodTypes": ["userpass"]}),
        build(
            "vault:kubernetes/authBackendConfig:AuthBackendConfig",
            "kubernetes",
            {"backend": "kubernetes", "disableLocalCaJwt": True, "kubernetesCaCert": "authority"},
        ),
        build(
            "vault:jwt/authBackend:AuthBackend",
            "ci",
            {"path": "ci", "boundIssuer": "https://idp", "jwtSupportedAlgs": ["RS256", "ES384"]},
        ),
        build(
            "vault:jwt/authBackendRole:AuthBackendRole",
            "ci",
            {"roleType": "oidc", "boundAudiences": ["vault"], "tokenTtl": 600, "tokenMaxTtl": 900},
        ),
    ]
