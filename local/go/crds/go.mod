// The types of the charts that production installs: only YAML files of these modules are read, nothing is built.
module healthcare-mlops/local/go/crds

go 1.26.7

require (
	github.com/aws/karpenter-provider-aws v1.14.1
	github.com/cert-manager/cert-manager v1.21.2
	github.com/envoyproxy/gateway v1.9.1
	github.com/prometheus-operator/prometheus-operator v0.94.0
	sigs.k8s.io/gateway-api v1.6.1
)
