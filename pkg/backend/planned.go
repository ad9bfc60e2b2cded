package backend

import (
	"context"
	"fmt"

	"github.com/banterhearts/bh/pkg/record"
)

// The backends of TR119 that this version cannot drive yet. They are registered so that a matrix may name them and its
// report says, run by run, that they are missing and why: a backend that silently never ran is what spoiled TR117.
func init() {
	for name, device := range map[string]record.Device{
		"transformers-cpu":         record.CPU,
		"transformers-gpu":         record.GPU,
		"transformers-gpu-compile": record.GPU,
		"onnxruntime-gpu":          record.GPU,
	} {
		missing := &Unavailable{
			Reason: NotInThisVersion,
			Detail: fmt.Sprintf("this version of bh has no driver for %s", name),
			Remedy: "see CHANGELOG.md for the version that brings it",
		}
		Register(&Backend{
			Name:         name,
			Device:       device,
			Summary:      "named by TR119; not in this version",
			Capabilities: Capabilities{Modes: record.Modes(), Precisions: []string{"fp32"}},
			Check:        func() error { return missing },
			Open:         func(context.Context, Spec) (Engine, error) { return nil, missing },
		})
	}
}
