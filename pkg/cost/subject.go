package cost

import (
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/record"
)

// Subject is what a derived figure is about: one backend as it was set up, under one provider, tier and method. Its
// columns are those of record.Cost.
type Subject struct {
	Experiment string        `json:"experiment"`
	Host       string        `json:"host"`
	Backend    string        `json:"backend"`
	Model      string        `json:"model"`
	Precision  string        `json:"precision"`
	Device     record.Device `json:"device"`
	Settings   string        `json:"settings"`
	Threads    *int64        `json:"threads"`
	Method     string        `json:"method"`
	Estimator  string        `json:"estimator"`
	Provider   string        `json:"provider"`
	Tier       record.Tier   `json:"tier"`
	Default    bool          `json:"default_provider"`
}

// subjectOf is the subject of a cost row.
func subjectOf(r *record.Cost) Subject {
	return Subject{
		Experiment: r.Experiment, Host: r.Host, Backend: r.Backend, Model: r.Model, Precision: r.Precision,
		Device: r.Device, Settings: r.Settings, Threads: r.Threads, Method: r.Method, Estimator: r.Estimator,
		Provider: r.Provider, Tier: r.Tier, Default: r.Default,
	}
}

// subjectKey is a Subject that can be compared.
type subjectKey struct {
	s       Subject
	threads int64 // -1 = not known
}

func keyOf(r *record.Cost) subjectKey {
	k := subjectKey{s: subjectOf(r), threads: -1}
	if r.Threads != nil {
		k.threads = *r.Threads
	}
	k.s.Threads = nil
	return k
}

// group is the rows of one subject.
type group struct {
	subject Subject
	rows    []*record.Cost
}

// groups sorts rows by subject, in the order in which the subjects first appear.
func groups(costs []record.Cost) []*group {
	index := map[subjectKey]*group{}
	var list []*group
	for i := range costs {
		r := &costs[i]
		g := index[keyOf(r)]
		if g == nil {
			g = &group{subject: subjectOf(r)}
			index[keyOf(r)] = g
			list = append(list, g)
		}
		g.rows = append(g.rows, r)
	}
	return list
}

// mode is the group's rows of one mode.
func (g *group) mode(mode record.Mode) []*record.Cost {
	var rows []*record.Cost
	for _, r := range g.rows {
		if r.Mode == mode {
			rows = append(rows, r)
		}
	}
	return rows
}

// worstGrade is the worst energy grade of rows.
func worstGrade(rows ...*record.Cost) record.Grade {
	var worst record.Grade
	for _, r := range rows {
		worst = cell.WorseGrade(worst, r.EnergyGrade)
	}
	return worst
}

// reasons joins lists of codes, each code once, in the order given.
func reasons(lists ...string) string {
	var codes []string
	for _, list := range lists {
		for code := range strings.SplitSeq(list, ",") {
			if code != "" && !slices.Contains(codes, code) {
				codes = append(codes, code)
			}
		}
	}
	return strings.Join(codes, ",")
}
