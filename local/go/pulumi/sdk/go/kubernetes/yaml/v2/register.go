// Package v2 registers the objects of manifests as resources.
package v2

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// RegisterResource registers an object by its type token. The SDK has a case for each kind, with the same tokens.
func RegisterResource(ctx *pulumi.Context, apiVersion, kind, name string, props pulumi.Input,
	opts ...pulumi.ResourceOption,
) (pulumi.CustomResource, error) {
	if apiVersion == "v1" {
		apiVersion = "core/v1"
	}
	var resource pulumi.CustomResourceState
	err := ctx.RegisterResource("kubernetes:"+apiVersion+":"+kind, name, props, &resource, opts...)
	if err != nil {
		return nil, err
	}
	return &resource, nil
}
