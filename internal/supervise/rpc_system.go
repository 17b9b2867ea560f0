package supervise

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

// fullName is the name under which a method is called.
func fullMethodName(short string) string {
	if strings.HasPrefix(short, "system.") {
		return short
	}
	return "supervisor." + short
}

// methodNames is the answer of system.listMethods.
func (r *rpc) methodNames() []any {
	var names []any
	for _, name := range slices.Sorted(maps.Keys(r.methods)) {
		names = append(names, name)
	}
	return names
}

// typeNames are the names of argument types in signatures.
var typeNames = map[reflect.Type]string{typeString: "string", typeInt: "int", typeBool: "boolean", typeList: "array"}

// methodSignature is the answer of system.methodSignature: the result, of which
// nothing is promised, and the arguments.
func (r *rpc) methodSignature(_ context.Context, name string) (any, error) {
	m, ok := r.methods[name]
	if !ok {
		return nil, client.NewFault(client.FaultSignatureUnsupported, "")
	}
	signature := []any{"any"}
	for _, a := range m.args {
		kind, ok := typeNames[a]
		if !ok {
			kind = "string"
		}
		signature = append(signature, kind)
	}
	return signature, nil
}

// methodHelp is the answer of system.methodHelp.
func (r *rpc) methodHelp(ctx context.Context, name string) (any, error) {
	signature, err := r.methodSignature(ctx, name)
	if err != nil {
		return nil, err
	}
	var words []string
	for _, kind := range signature.([]any)[1:] {
		words = append(words, kind.(string))
	}
	return fmt.Sprintf("%s(%s), as supervisord's", name, strings.Join(words, ", ")), nil
}
