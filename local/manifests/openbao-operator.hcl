# What the Pulumi program may do in OpenBao: lay out hospitals' mounts, keys, policies and roles.
# Nothing here changes the audit devices, or reaches the seal, raw storage or other tokens.

# The records of every request are of the server's own configuration: they are seen here, not made.
path "sys/audit" { capabilities = ["read", "sudo"] }

# How many logins a client may try.
path "sys/quotas/rate-limit/*" { capabilities = ["create", "read", "update", "delete"] }

# A hospital's secret engines: <hospital>/transit, <hospital>/kv and the like.
path "sys/mounts" { capabilities = ["read"] }
path "sys/mounts/+/*" { capabilities = ["create", "read", "update", "delete"] }

path "sys/mounts/auth/*" { capabilities = ["deny"] }
path "sys/mounts/auth/kubernetes/tune" { capabilities = ["read", "update"] }

# A changed path moves a secrets engine with its keys; no login method is moved.
path "sys/remount" {
  capabilities = ["create", "update", "sudo"]
  denied_parameters = { "from" = ["auth/*", "/auth/*"], "to" = ["auth/*", "/auth/*"] }
}
path "sys/remount/status/*" { capabilities = ["read", "sudo"] }

# Keys are made and rotated, never used or exported: that is for the workloads' own policies.
path "+/transit/keys/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "+/transit/keys" { capabilities = ["list"] }

# A hospital's authorities are made and described; that of workloads signs for the workloads' own policies alone.
path "+/pki/root/generate/internal" { capabilities = ["create", "update"] }
path "+/pki/issuer/*" { capabilities = ["read", "delete"] }
path "+/pki/cert/*" { capabilities = ["read"] }
path "+/pki/roles/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "+/pki/config/crl" { capabilities = ["create", "read", "update"] }
# A person issues and revokes the certificates of a hospital's applications; here, those of the demonstration.
path "+/pki/issue/program" { capabilities = ["create", "update"] }
path "+/pki/revoke" { capabilities = ["create", "update"] }
path "+/workload-pki/root/generate/internal" { capabilities = ["create", "update"] }
path "+/workload-pki/issuer/*" { capabilities = ["read", "delete"] }
path "+/workload-pki/cert/*" { capabilities = ["read"] }
path "+/workload-pki/roles/*" { capabilities = ["create", "read", "update", "delete", "list"] }

# Which logins of a hospital's database can be had; to take one is for the workloads' own policies.
path "+/database/config/*" { capabilities = ["create", "read", "update", "delete"] }
path "+/database/roles/*" { capabilities = ["create", "read", "update", "delete", "list"] }

# Settings and secrets that the program itself declares.
path "+/kv/config" { capabilities = ["create", "read", "update"] }
path "+/kv/data/*" { capabilities = ["create", "read", "update", "patch", "delete"] }
path "+/kv/metadata/*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }
path "+/kv/metadata" { capabilities = ["list"] }

# Who may log in: ServiceAccounts, by one role a workload.
path "sys/auth" { capabilities = ["read"] }
path "sys/auth/kubernetes" { capabilities = ["create", "read", "update", "delete", "sudo"] }
path "sys/auth/kubernetes/tune" { capabilities = ["read", "update", "sudo"] }
path "auth/kubernetes/config" { capabilities = ["create", "read", "update", "delete"] }
path "auth/kubernetes/role" { capabilities = ["list"] }
path "auth/kubernetes/role/*" { capabilities = ["create", "read", "update", "delete", "list"] }

# The workloads' policies, but not its own and the keeper's.
path "sys/policies/acl" { capabilities = ["list"] }
path "sys/policies/acl/*" { capabilities = ["create", "read", "update", "delete"] }
path "sys/policies/acl/hmlops-*" { capabilities = ["deny"] }
path "sys/policies/acl/default" { capabilities = ["read"] }

# Who else may log in, for the audit of what the server has beside the state.
path "auth/+/users" { capabilities = ["list"] }
path "auth/token/roles" { capabilities = ["list"] }
path "identity/entity/id" { capabilities = ["list"] }
path "identity/entity/id/*" { capabilities = ["read"] }
path "identity/group/id" { capabilities = ["list"] }
path "identity/group/id/*" { capabilities = ["read"] }

# The official provider works with a short-lived child of the token that it is given.
path "auth/token/create" { capabilities = ["create", "update"] }
