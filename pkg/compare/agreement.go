package compare

import (
	"cmp"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// The backend whose tokens are the measure of the others': the one that needs nothing but a library, in full precision.
const (
	referenceBackend   = "onnxruntime-cpu"
	referencePrecision = "fp32"
)

// task is what two runs must share for their tokens to be comparable. A server's runs have its tasks too.
type task struct {
	model       string
	mode        record.Mode
	slot        slot
	seed        int64
	batch       int64
	inFlight    int64
	maxNew      int64
	temperature float64
}

func (r *run) task() task {
	return task{r.id.model, r.mode, r.slot, r.seed, r.batch, r.inFlight, r.maxNew, r.temperature}
}

// tokenAgreement is how far two outputs are the same.
type tokenAgreement struct {
	share float64 // of the positions, over all sequences, that hold the same token
	equal bool    // throughout
	first int     // position from 1 of the first difference in any sequence; 0 where there is none
}

// agreeTokens compares two outputs sequence by sequence and position by position. A sequence that ends before the other
// differs from it in all that follows.
func agreeTokens(a, b [][]int64) tokenAgreement {
	t := tokenAgreement{equal: true}
	same, all := 0, 0
	for i := range max(len(a), len(b)) {
		var x, y []int64
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		all += max(len(x), len(y))
		for j := range max(len(x), len(y)) {
			if j < len(x) && j < len(y) && x[j] == y[j] {
				same++
				continue
			}
			t.equal = false
			if t.first == 0 || j+1 < t.first {
				t.first = j + 1
			}
		}
	}
	t.share = 1
	if all > 0 {
		t.share = float64(same) / float64(all)
	}
	return t
}

// sequences cuts the ids of a run, one sequence after the other, into its sequences: each ends with GPT-2's end of text or
// at its limit. It is nil where that does not fit, as with another vocabulary.
func (r *run) sequences(ids []int64) [][]int64 {
	each := int(r.maxNew)
	if r.mode == record.Prefill {
		each = 1
	}
	if r.batch == 1 {
		return [][]int64{ids}
	}
	if len(ids) == int(r.batch)*each { // none ended early
		return slices.Collect(slices.Chunk(ids, each))
	}
	var out [][]int64
	for len(ids) > 0 {
		n := min(each, len(ids))
		if end := slices.Index(ids[:n], workload.EOS); end >= 0 {
			n = end + 1
		}
		out, ids = append(out, ids[:n]), ids[n:]
	}
	if len(out) != int(r.batch) {
		return nil
	}
	return out
}

// references chooses for each model the group name whose tokens are the measure: onnxruntime-cpu in fp32 where its ids are
// known, else the backend with most runs of known ids, fp32 first; the first by name among equals.
func references(groups []group) map[string]string {
	type candidate struct {
		label string
		best  bool
		fp32  bool
		runs  int
	}
	byModel := map[string][]candidate{}
	for _, g := range groups {
		for i := range g.runs {
			r := &g.runs[i]
			if r.output == "" {
				continue
			}
			list := byModel[r.id.model]
			k := slices.IndexFunc(list, func(c candidate) bool { return c.label == g.label })
			if k < 0 {
				fp32 := r.id.precision == referencePrecision
				list, k = append(list, candidate{label: g.label, best: r.id.backend == referenceBackend && fp32, fp32: fp32}), len(list)
			}
			list[k].runs++
			byModel[r.id.model] = list
		}
	}
	out := map[string]string{}
	for model, list := range byModel {
		first := slices.MinFunc(list, func(a, b candidate) int {
			return cmp.Or(-compareBool(a.best, b.best), -compareBool(a.fp32, b.fp32), -cmp.Compare(a.runs, b.runs),
				strings.Compare(a.label, b.label))
		})
		out[model] = first.label
	}
	return out
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// agreed is the agreement of one run with the reference's run of the same task.
type agreed struct {
	reference string
	tokenAgreement
	known bool // false: the ids of one of the two are not known, or they cannot be told apart
}

// outputsOf are the outputs of the references' runs, by task.
func (c *Runs) outputsOf(groups []group, refs map[string]string) map[task][][]int64 {
	out := map[task][][]int64{}
	for _, g := range groups {
		for i := range g.runs {
			r := &g.runs[i]
			if refs[r.id.model] == g.label && r.output != "" {
				out[r.task()] = r.sequences(c.outputs[r.output])
			}
		}
	}
	return out
}

// agree compares one run with the reference.
func (c *Runs) agree(r *run, refs map[string]string, outputs map[task][][]int64) agreed {
	a := agreed{reference: refs[r.id.model]}
	if a.reference == "" || r.output == "" {
		return a
	}
	mine, theirs := r.sequences(c.outputs[r.output]), outputs[r.task()]
	if mine == nil || theirs == nil {
		return a
	}
	a.tokenAgreement, a.known = agreeTokens(mine, theirs), true
	return a
}

// agreement compares every backend with the reference, over all scenarios and in each.
func (c *Runs) agreement(groups []group) (all, byScenario []Agreement) {
	refs := references(groups)
	outputs := c.outputsOf(groups, refs)
	all, byScenario = []Agreement{}, []Agreement{}
	for i := range groups {
		g := &groups[i]
		all = append(all, c.agreementOf(g, "", g.runs, refs, outputs))
		for _, runs := range g.byScenario() {
			byScenario = append(byScenario, c.agreementOf(g, runs[0].scenario, runs, refs, outputs))
		}
	}
	return all, byScenario
}

// agreementOf is the agreement of some runs of a backend.
func (c *Runs) agreementOf(g *group, scenario string, runs []run, refs map[string]string, outputs map[task][][]int64) Agreement {
	a := Agreement{Backend: g.label, Mode: g.mode, Scenario: scenario, Reference: refs[runs[0].id.model],
		Temperature: runs[0].temperature, Runs: len(runs)}
	total, known := 0.0, 0
	var first []float64
	for i := range runs {
		r := &runs[i]
		a.OwnSampler = a.OwnSampler || r.temperature > 0 && r.server != nil
		if r.output != "" {
			known++
		}
		got := c.agree(r, refs, outputs)
		if !got.known {
			continue
		}
		a.Compared++
		total += got.share
		if got.first != 1 {
			a.FirstEqual++
		}
		if got.equal {
			a.Equal++
		} else {
			first = append(first, float64(got.first))
		}
	}
	switch {
	case a.Compared > 0:
		share := total / float64(a.Compared)
		a.Share = &share
	case a.Reference == "":
		a.Absent = "no backend tells its token ids"
	case known == 0:
		a.Absent = "the backend does not tell its token ids"
	default:
		a.Absent = a.Reference + " has no run of the same task with known ids"
	}
	if len(first) > 0 {
		m := median(first)
		a.FirstDifference = &m
	}
	return a
}
