package backend

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/ortbind"
)

// placement is which execution provider took how much of a graph.
type placement struct {
	nodes  map[string]int // by provider
	taken  int            // by the provider that the backend stands for
	shapes int            // on the CPU on purpose, as they compute with nothing but dimensions
	// fallback are the operators that ran on the CPU although the provider was to take them, each as often as it did.
	fallback []string
}

// place counts. shapes names the nodes that compute with nothing but dimensions.
func place(assigned []ortbind.Assigned, provider string, shapes map[string]bool) placement {
	p := placement{nodes: map[string]int{}}
	for _, a := range assigned {
		p.nodes[a.Provider]++
		switch {
		case a.Provider == provider:
			p.taken++
		case a.Provider == ortbind.CPU && shapes[a.Node]:
			p.shapes++
		case a.Provider == ortbind.CPU:
			p.fallback = append(p.fallback, a.Op)
		}
	}
	return p
}

// flags doubts runs of which the CPU did a part.
func (p placement) flags() []Flag {
	if len(p.fallback) == 0 {
		return nil
	}
	return []Flag{ProviderFallback}
}

// describe adds the numbers to an engine's Info.
func (p placement) describe(info map[string]string) {
	for provider, n := range p.nodes {
		info["nodes_"+provider] = fmt.Sprint(n)
	}
	info["nodes_shapes_on_cpu"] = fmt.Sprint(p.shapes)
	info["nodes_fallback"] = fmt.Sprint(len(p.fallback))
	if len(p.fallback) > 0 {
		ops := slices.Compact(slices.Sorted(slices.Values(p.fallback)))
		info["fallback_operators"] = strings.Join(ops, " ")
	}
}
