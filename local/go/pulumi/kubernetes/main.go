// Command pulumi-resource-kubernetes is Pulumi's own Kubernetes provider.
//
// Its schema and its names in Terraform are files of the provider's module. They lie beside the executable and are
// not embedded, so that this repository holds no copy of them.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

const files = "cmd/pulumi-resource-kubernetes"

func main() {
	schema, mapping := beside("schema.json"), beside("terraform-mapping.json")
	// The module's schema names no version; the publisher sets it when a release is built.
	versioned := fmt.Appendf(nil, `{"version":%q,`, version.Version)
	schema = bytes.Replace(schema, []byte("{"), versioned, 1)
	provider.Serve("kubernetes", version.Version, schema, mapping)
}

func beside(name string) []byte {
	executable, err := os.Executable()
	if err == nil {
		var content []byte
		if content, err = os.ReadFile(filepath.Join(filepath.Dir(executable), files, name)); err == nil {
			return content
		}
	}
	fmt.Fprintf(os.Stderr, "The Kubernetes provider misses its file %s: run `make up`. (%v)\n", name, err)
	os.Exit(1)
	return nil
}
