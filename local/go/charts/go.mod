// The modules that carry charts of the platform: only their chart folders are read, nothing is built.
module healthcare-mlops/local/go/charts

go 1.26.7

require (
	github.com/aws/karpenter-provider-aws v1.14.1
	github.com/cert-manager/cert-manager v1.21.2
	github.com/envoyproxy/gateway v1.9.1
	github.com/kserve/kserve v0.20.0
)
