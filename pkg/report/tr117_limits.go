package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/manifest"
)

// models are the models with a good run.
func (d *data) models() []string {
	var list []string
	for _, c := range d.cells {
		if c.N > 0 && !slices.Contains(list, c.Model) {
			list = append(list, c.Model)
		}
	}
	return list
}

// otherWeights says where backends told of other weights than each other, by the hashes on record.
func (d *data) otherWeights() string {
	if d.Manifest == nil {
		return ""
	}
	byHash := map[string][]string{}
	var hashes []string
	for _, name := range sortedNames(d.Manifest) {
		if hash := d.Manifest.Backends[name]["weights"]; hash != "" {
			if byHash[hash] == nil {
				hashes = append(hashes, hash)
			}
			byHash[hash] = append(byHash[hash], name)
		}
	}
	if len(hashes) < 2 {
		return ""
	}
	parts := make([]string, len(hashes))
	for i, h := range hashes {
		parts[i] = short(h) + " on " + strings.Join(byHash[h], ", ")
	}
	return "The backends did not run the same weights (" + strings.Join(parts, "; ") + "): a difference between them may be one of weights."
}

// sortedNames are the backends that told facts.
func sortedNames(m *manifest.Manifest) []string {
	var list []string
	for name := range m.Backends {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// promptLimits says what kind of prompts were run.
func (d *data) promptLimits() []Line {
	if d.Matrix == nil || !d.FromRuns {
		return nil
	}
	var texts, random []string
	prompts := 0
	for _, s := range d.Matrix.Scenarios {
		if len(s.Prompts) > 0 {
			texts = append(texts, s.Name)
			prompts += len(s.Prompts)
		} else {
			random = append(random, s.Name)
		}
	}
	var lines []Line
	if len(texts) > 0 {
		lines = append(lines, prose("Synthetic prompts: %s texts written for the benchmark in the scenarios %s, each run again and again; no user's requests, and no mix of them.",
			word(fmt.Sprint(prompts)), word(strings.Join(texts, ", "))))
	}
	if len(random) > 0 {
		lines = append(lines, prose("Synthetic prompts: random tokens in the scenarios %s. Time does not depend on which tokens, but what comes out means nothing.", word(strings.Join(random, ", "))))
	}
	return lines
}

// fewForP99 is the number of runs below which the 99th percentile is little more than the slowest run.
const fewForP99 = 100

// runLimits says what the single runs cannot tell.
func (d *data) runLimits() []Line {
	r := d.singleRuns()
	var lines []Line
	if d.Profile == TR117 {
		least := 0
		for i := range r.Backends {
			if m := r.Backends[i].Metric(compare.LatencyMS); m != nil && (least == 0 || m.N < least) {
				least = m.N
			}
		}
		if least > 0 && least < fewForP99 {
			lines = append(lines, prose("A backend has from %s runs on: its p99 is little more than its slowest run, and its p95 rests on a handful.", word(fmt.Sprint(least))))
		}
		if least > 0 && len(r.Sessions) == 0 {
			lines = append(lines, phrase("Every backend ran in one worker process: what differs between processes is not in any interval. A matrix with sessions: 5 has it measured."))
		}
	}
	flagged, runs, unseen := int64(0), int64(0), int64(0)
	for _, i := range r.Isolation {
		flagged, runs, unseen = flagged+i.Flagged, runs+i.Runs, unseen+i.NotObserved
	}
	if flagged > 0 {
		lines = append(lines, prose("%s of %s good runs carry a flag, a doubt about what else ran or what they did (section 4, isolation); they are counted like the others.",
			word(fmt.Sprint(flagged)), word(fmt.Sprint(runs))))
	}
	if runs > 0 && unseen > 0 {
		lines = append(lines, prose("What else ran was not observed in %s of %s good runs: that they are not flagged for it says nothing.",
			word(fmt.Sprint(unseen)), word(fmt.Sprint(runs))))
	}
	return lines
}
