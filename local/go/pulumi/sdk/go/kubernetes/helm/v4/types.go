// Package v4 has the input types of Helm charts.
package v4

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RepositoryOpts name the repository of a chart and how to sign in.
type RepositoryOpts struct {
	CaFile   pulumi.AssetOrArchive `pulumi:"caFile"`
	CertFile pulumi.AssetOrArchive `pulumi:"certFile"`
	KeyFile  pulumi.AssetOrArchive `pulumi:"keyFile"`
	Password *string               `pulumi:"password"`
	Repo     *string               `pulumi:"repo"`
	Username *string               `pulumi:"username"`
}

// RepositoryOptsInput is RepositoryOpts that may not be known yet.
type RepositoryOptsInput interface {
	pulumi.Input
	isRepositoryOpts()
}

// RepositoryOptsArgs are RepositoryOpts whose fields may not be known yet.
type RepositoryOptsArgs struct {
	CaFile   pulumi.AssetOrArchiveInput `pulumi:"caFile"`
	CertFile pulumi.AssetOrArchiveInput `pulumi:"certFile"`
	KeyFile  pulumi.AssetOrArchiveInput `pulumi:"keyFile"`
	Password pulumi.StringPtrInput      `pulumi:"password"`
	Repo     pulumi.StringPtrInput      `pulumi:"repo"`
	Username pulumi.StringPtrInput      `pulumi:"username"`
}

func (RepositoryOptsArgs) isRepositoryOpts() {}

// ElementType returns the type of the plain value.
func (RepositoryOptsArgs) ElementType() reflect.Type { return reflect.TypeFor[RepositoryOpts]() }

// RepositoryOptsOutput is RepositoryOpts that a resource will have.
type RepositoryOptsOutput struct{ *pulumi.OutputState }

func (RepositoryOptsOutput) isRepositoryOpts() {}

// ElementType returns the type of the plain value.
func (RepositoryOptsOutput) ElementType() reflect.Type { return reflect.TypeFor[RepositoryOpts]() }

// PostRenderer is a command that changes what a chart renders.
type PostRenderer struct {
	Args    []string `pulumi:"args"`
	Command string   `pulumi:"command"`
}

// PostRendererInput is a PostRenderer that may not be known yet.
type PostRendererInput interface {
	pulumi.Input
	isPostRenderer()
}

// PostRendererArgs are a PostRenderer whose fields may not be known yet.
type PostRendererArgs struct {
	Args    pulumi.StringArrayInput `pulumi:"args"`
	Command pulumi.StringInput      `pulumi:"command"`
}

func (PostRendererArgs) isPostRenderer() {}

// ElementType returns the type of the plain value.
func (PostRendererArgs) ElementType() reflect.Type { return reflect.TypeFor[PostRenderer]() }

// PostRendererOutput is a PostRenderer that a resource will have.
type PostRendererOutput struct{ *pulumi.OutputState }

func (PostRendererOutput) isPostRenderer() {}

// ElementType returns the type of the plain value.
func (PostRendererOutput) ElementType() reflect.Type { return reflect.TypeFor[PostRenderer]() }

func init() {
	pulumi.RegisterInputType(reflect.TypeFor[RepositoryOptsInput](), RepositoryOptsArgs{})
	pulumi.RegisterOutputType(RepositoryOptsOutput{})
	pulumi.RegisterInputType(reflect.TypeFor[PostRendererInput](), PostRendererArgs{})
	pulumi.RegisterOutputType(PostRendererOutput{})
}
