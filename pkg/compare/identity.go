package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

// identity is what tells two series of one backend apart.
type identity struct {
	backend, experiment, host, model, precision string
	device                                      record.Device
	settings, threads                           string
}

// factor is one part of an identity besides the backend's name.
type factor struct {
	name string
	of   func(identity) string
}

// factors in the order in which a label shows them.
var factors = []factor{
	{"model", func(i identity) string { return i.model }},
	{"precision", func(i identity) string { return i.precision }},
	{"device", func(i identity) string { return string(i.device) }},
	{"threads", func(i identity) string { return i.threads }},
	{"settings", func(i identity) string { return i.settings }},
	{"host", func(i identity) string { return i.host }},
	{"experiment", func(i identity) string { return i.experiment }},
}

func cellIdentity(c *record.Cell) identity {
	return identity{c.Backend, c.Experiment, c.Host, c.Model, c.Precision, c.Device, c.Settings, threads(c.Threads)}
}

func costIdentity(r *record.Cost) identity {
	return identity{r.Backend, r.Experiment, r.Host, r.Model, r.Precision, r.Device, r.Settings, threads(r.Threads)}
}

func threads(n *int64) string {
	if n == nil {
		return "unknown"
	}
	return fmt.Sprint(*n)
}

// labels names every identity of cells and costs.
func labels(cells []record.Cell, costs []record.Cost) map[identity]string {
	ids := map[identity]bool{}
	for i := range cells {
		ids[cellIdentity(&cells[i])] = true
	}
	for i := range costs {
		ids[costIdentity(&costs[i])] = true
	}
	return labelsOf(ids)
}

// labelsOf names every identity: the backend's name where that is enough, else with the factors that differ between the
// identities of that backend, as "onnxruntime-cpu (threads=2)".
func labelsOf(all map[identity]bool) map[identity]string {
	byBackend := map[string]map[identity]bool{}
	for i := range all {
		if byBackend[i.backend] == nil {
			byBackend[i.backend] = map[identity]bool{}
		}
		byBackend[i.backend][i] = true
	}
	out := map[identity]string{}
	for backend, ids := range byBackend {
		differing := slices.DeleteFunc(slices.Clone(factors), func(f factor) bool { return !differs(ids, f) })
		for id := range ids {
			out[id] = label(backend, id, differing)
		}
	}
	return out
}

// differs reports whether the identities have more than one value of f.
func differs(ids map[identity]bool, f factor) bool {
	values := map[string]bool{}
	for id := range ids {
		values[f.of(id)] = true
	}
	return len(values) > 1
}

func label(backend string, id identity, shown []factor) string {
	if len(shown) == 0 {
		return backend
	}
	parts := make([]string, len(shown))
	for i, f := range shown {
		parts[i] = f.name + "=" + cmp.Or(f.of(id), "none")
	}
	return backend + " (" + strings.Join(parts, ", ") + ")"
}

// confounded are the factors whose difference between backends makes a difference between them mean something else: a
// comparison of models, machines or precisions.
var confounded = []string{"model", "host", "precision"}

// confoundWarnings doubts a comparison of series that differ in more than the backend.
func confoundWarnings(ids map[identity]bool) []string {
	var out []string
	for _, f := range factors {
		if !slices.Contains(confounded, f.name) || !differs(ids, f) {
			continue
		}
		values := map[string]bool{}
		for id := range ids {
			values[cmp.Or(f.of(id), "none")] = true
		}
		out = append(out, fmt.Sprintf("the backends differ in %s too (%s): a difference between them may be that one's",
			f.name, strings.Join(sortedKeys(values), ", ")))
	}
	return out
}
