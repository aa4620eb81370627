"""Reader of moto's state for authorisation; call all of it while holding moto's lock."""

import json
from dataclasses import dataclass
from typing import Any

from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.kms.utils import _deserialize_ciphertext_blob
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends

from local.aws_emulator.messages import ACCOUNT, PARTITION
from local.aws_emulator.moto.backend import Moto


@dataclass(frozen=True)
class Encryption:
    """Encryption of an S3 object or bucket: its KMS key, or none with SSE-S3."""

    key: str = ""


class State:
    """Users, roles, policies and keys in moto's state; call while holding the lock."""

    def user_of(self, access_key: str) -> tuple[str, str, str] | None:
        """Return name, ARN and secret key of the user that owns an active access key."""
        for user in _iam().users.values():
            for key in user.access_keys:
                if key.access_key_id == access_key and key.status == "Active":
                    return user.name, user.arn, key.secret_access_key
        return None

    def user_policies(self, name: str) -> list[str]:
        """Return the documents of a user's and its groups' policies."""
        iam = _iam()
        user = iam.users[name]
        holders = [user, *iam.get_groups_for_user(name)]
        return [document for holder in holders for document in _documents(holder)]

    def role(self, arn: str) -> tuple[str, str] | None:
        """Return trust policy and id of a role."""
        for role in _iam().roles.values():
            if role.arn == arn:
                return str(role.assume_role_policy_document), role.id
        return None

    def longest_session(self, arn: str) -> int:
        """Return a role's maximum session duration in seconds."""
        return next((int(role.max_session_duration) for role in _iam().roles.values() if role.arn == arn), 3600)

    def has_principal(self, arn: str) -> bool:
        """Return whether a role or user exists."""
        return self.role(arn) is not None or any(user.arn == arn for user in _iam().users.values())

    def role_policies(self, arn: str) -> tuple[list[str], list[str]]:
        """Return the documents of a role's policies, and those of its permissions boundary."""
        for role in _iam().roles.values():
            if role.arn == arn:
                boundary = role.permissions_boundary_arn
                limits = [_default_version(_iam().managed_policies[boundary])] if boundary else []
                return _documents(role), limits
        return [], []

    def oidc_clients(self, host: str) -> tuple[str, list[str]] | None:
        """Return ARN and client ids of the OIDC provider registered for an issuer without its scheme."""
        for arn, provider in _iam().open_id_providers.items():
            if provider.url.rstrip("/") == host.rstrip("/"):
                return arn, list(provider.client_id_list)
        return None

    def secret_arn(self, region: str, name: str) -> str:
        """Return the ARN of a secret by its name or ARN; for an unknown one, the ARN without its random characters."""
        secret = secretsmanager_backends[ACCOUNT][region].secrets.get(name)
        return str(secret.arn) if secret else f"arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{name}"

    def bucket_policy(self, bucket: str) -> str | None:
        """Return a bucket's policy."""
        bucket_state = s3_backends[ACCOUNT][PARTITION].buckets.get(bucket)
        return bucket_state.policy.decode() if bucket_state is not None and bucket_state.policy else None

    def has_bucket(self, bucket: str) -> bool:
        """Return whether a bucket exists."""
        return bucket in s3_backends[ACCOUNT][PARTITION].buckets

    def bucket_encryption(self, bucket: str) -> Encryption:
        """Return the default encryption of a bucket."""
        bucket_state = s3_backends[ACCOUNT][PARTITION].buckets.get(bucket)
        if bucket_state is None or not bucket_state.encryption:
            return Encryption()
        rule = bucket_state.encryption["Rule"]["ApplyServerSideEncryptionByDefault"]
        kms = rule["SSEAlgorithm"].startswith("aws:kms")
        return Encryption(rule.get("KMSMasterKeyID") or "" if kms else "")

    def object_encryption(self, bucket: str, key: str, version: str) -> Encryption:
        """Return the encryption of an object that may not exist."""
        try:
            stored = s3_backends[ACCOUNT][PARTITION].get_object(bucket, key, version_id=version or None)
        except S3ClientError:
            return Encryption()
        kms = stored is not None and (stored.encryption or "").startswith("aws:kms")
        return Encryption(stored.kms_key_id or "" if stored is not None and kms else "")

    def kms_key(self, region: str, name: str) -> tuple[str, str, str] | None:
        """Return ARN, state and policy of the key that an id, ARN or alias names."""
        region = name.split(":")[3] if name.startswith("arn:") and name.count(":") >= 5 else region
        backend = kms_backends[ACCOUNT][region]
        name = backend.get_key_id(backend.get_alias_name(name))
        for key in backend.keys.values():
            if name == key.id or name in key.aliases:
                return key.arn, key.key_state, key.policy
        return None

    def kms_key_of(self, ciphertext: bytes) -> str:
        """Return the id of the key of a ciphertext, empty if it is not from this emulator."""
        try:
            return str(_deserialize_ciphertext_blob(ciphertext).key_id)
        except Exception:
            return ""


def _iam() -> Any:
    return iam_backends[ACCOUNT][PARTITION]


def _documents(holder: Any) -> list[str]:
    inline = [_json(document) for document in holder.policies.values()]
    return inline + [_default_version(policy) for policy in holder.managed_policies.values()]


def _default_version(policy: Any) -> str:
    return _json(next(v.document for v in policy.versions if v.version_id == policy.default_version_id))


def _json(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def create_administrator(moto_services: Moto, name: str, policy: dict[str, Any]) -> tuple[str, str]:
    """Create an administrator user, the same at every start, and return its access key."""
    with moto_services.exclusive():
        moto_services.seed(f"user {name}")
        iam = _iam()
        iam.create_user("us-east-1", name)
        iam.put_user_policy(name, "everything", json.dumps(policy))
        key = iam.create_access_key(name)
        return key.access_key_id, key.secret_access_key
