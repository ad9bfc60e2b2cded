package energy

import "github.com/banterhearts/bh/pkg/record"

// Of integrates samples over w. The order of the samples does not matter.
func Of(samples []record.Sample, w Window) Result {
	return Result{Reasons: []string{NoSamples}}
}
