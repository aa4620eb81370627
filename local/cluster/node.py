"""Commands and configuration of the one node: containerd, kubelet, kube-proxy and the CNI."""

import json
from pathlib import Path

import yaml

from local.cluster.host import CGROUP
from local.paths import DNS_IP, KUBELET_PORT, NODE_IP, NODE_NAME, POD_CIDR, Home

KUBELET_HEALTH_PORT = 10248
PROXY_HEALTH_PORT = 10256

_UNUSED_PLUGINS = (
    *(f"io.containerd.snapshotter.v1.{name}" for name in ("aufs", "btrfs", "devmapper", "zfs")),
    "io.containerd.internal.v1.tracing",
)


def _containerd(home: Home, cni: Path, pause: str) -> str:
    root = home.root / "containerd"
    disabled = ", ".join(f'"{name}"' for name in _UNUSED_PLUGINS)
    return f"""version = 2
root = "{root / "root"}"
state = "{root / "state"}"
disabled_plugins = [{disabled}]
[grpc]
  address = "{home.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root / "opt"}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{home.config / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    discard_unpacked_layers = false
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "/usr/sbin/runc"
      SystemdCgroup = false
"""


def _cni(home: Home) -> str:
    """Return the CNI configuration of a routed network: all packets pass through the node, which enforces policies."""
    ipam = {
        "type": "host-local",
        "dataDir": str(home.run / "cni"),
        "ranges": [[{"subnet": POD_CIDR}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [{"type": "ptp", "ipMasq": False, "mtu": 1500, "ipam": ipam}]
    return json.dumps({"cniVersion": "1.0.0", "name": "hmlops", "plugins": plugins}, indent=2)


def _kubelet(home: Home) -> dict[str, object]:
    pki = home.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "containerRuntimeEndpoint": f"unix://{home.containerd_socket}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet-serving.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-serving.key"),
        "tlsMinVersion": "VersionTLS12",
        "address": NODE_IP,
        "port": KUBELET_PORT,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": KUBELET_HEALTH_PORT,
        "readOnlyPort": 0,
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_IP],
        "resolvConf": str(home.config / "resolv.conf"),
        "seccompDefault": True,
        "failSwapOn": False,
        "protectKernelDefaults": False,
        # Its iptables chains are not needed here and would be left behind.
        "makeIPTablesUtilChains": False,
        "enforceNodeAllocatable": ["pods"],
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "volumePluginDir": str(home.root / "kubelet" / "volumeplugins"),
        "podLogsDir": str(home.logs / "pods"),
        "containerLogMaxSize": "5Mi",
        "serializeImagePulls": True,
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "10s",
    }


def _proxy(home: Home) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(home.pki / "kube-proxy.kubeconfig")},
        "clusterCIDR": POD_CIDR,
        "hostnameOverride": NODE_NAME,
        "healthzBindAddress": f"127.0.0.1:{PROXY_HEALTH_PORT}",
        "metricsBindAddress": "127.0.0.1:10249",
        # The kernel's conntrack table belongs to the host: do not change its limits.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def write(home: Home, cni: Path, pause: str) -> None:
    """Write the node's configuration files."""
    (home.config / "cni").mkdir(parents=True, exist_ok=True)
    (home.config / "containerd.toml").write_text(_containerd(home, cni, pause))
    (home.config / "cni" / "10-hmlops.conflist").write_text(_cni(home))
    (home.config / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(home)))
    (home.config / "kube-proxy.yaml").write_text(yaml.safe_dump(_proxy(home)))
    (home.config / "resolv.conf").write_text(f"nameserver {DNS_IP}\n")


def containerd(home: Home) -> tuple[str, ...]:
    """Return the command of the container runtime."""
    return ("/usr/bin/containerd", "--config", str(home.config / "containerd.toml"))


def kubelet(home: Home, binary: Path) -> tuple[str, ...]:
    """Return the command of the kubelet."""
    return (
        str(binary),
        f"--config={home.config / 'kubelet.yaml'}",
        f"--kubeconfig={home.pki / 'kubelet.kubeconfig'}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_IP}",
        f"--root-dir={home.root / 'kubelet'}",
        f"--cert-dir={home.root / 'kubelet' / 'pki'}",
    )


def proxy(home: Home, binary: Path) -> tuple[str, ...]:
    """Return the command of kube-proxy."""
    return (str(binary), f"--config={home.config / 'kube-proxy.yaml'}")
