// Package kubernetes is what the provider uses of its own Go SDK, which is half a million generated lines.
package kubernetes

import "reflect"

// UntypedArgs are the inputs of a resource as a map.
type UntypedArgs map[string]any

// ElementType returns the type of the plain value.
func (UntypedArgs) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]any]()
}
