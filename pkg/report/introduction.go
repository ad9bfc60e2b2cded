package report

import (
	"fmt"
	"slices"
	"strings"
)

func init() {
	registerFor(TR119, section{placeIntroduction, "Introduction", introduction})
	registerFor(TR119, section{placeIntroduction + 1, "Research questions", researchQuestions})
	register(section{placeIntroduction + 2, "Scope", scope})
}

func introduction(*data) []Block {
	return []Block{para("Someone who runs language models on their own machines has to choose a backend, the hardware and a price tier. This report measures the backends on one workload, prices the time and the energy they take, and says which differences the measurements support. Every number comes from an artifact beside this report: in the HTML page, point at it or focus it to see the file, row and column.")}
}

func researchQuestions(*data) []Block {
	return []Block{List{Ordered: true, Items: []Line{
		phrase("Which backend minimises dollars per 1M tokens, in each mode?"),
		phrase("How large is the lever of the pricing tier (on-demand, spot, reserved) beside the choice of backend?"),
		phrase("Does energy change the ranking, or does throughput decide it?"),
		phrase("What does one request cost for a representative mix of prompt and generated tokens?"),
	}}, para("Section 6 answers them.")}
}

func scope(d *data) []Block {
	items := []Line{
		prose("Model: %s.", word(d.modelWords())),
		prose("Backends: %s.", word(strings.Join(d.backends, ", "))),
		prose("Modes: %s. Scenarios: %s.", word(joinModes(d.modes)), word(strings.Join(d.scenarios, ", "))),
	}
	if !d.FromRuns {
		items = append(items, phrase("The input is an archive of cells, not of runs: means and intervals of runs that are themselves gone. What single runs would show (percentiles, drift, equal outputs) cannot be seen."))
	}
	if missing := d.unmeasured(); missing != "" {
		items = append(items, prose("Planned and not measured: %s.", word(missing)))
	}
	return []Block{list(append(items, d.streamWords())...)}
}

// streamWords says how many requests were in flight, and whether there was HTTP in between.
func (d *data) streamWords() Line {
	var together []string
	for _, f := range d.singleRuns().InFlight {
		if name := fmt.Sprintf("%d in %s", f.Concurrency, f.Scenario); !slices.Contains(together, name) {
			together = append(together, name)
		}
	}
	network := "no network"
	if len(d.singleRuns().Servers) > 0 {
		network = "HTTP on the machine itself for the backends that are servers"
	}
	if len(together) > 0 {
		return prose("One request stream at a time but for scenarios with several in flight at once (%s), on %s: no queueing, %s.",
			word(strings.Join(together, ", ")), word(d.hostsWords()), word(network))
	}
	return prose("One request stream at a time, on %s: no concurrency, no queueing, %s.", word(d.hostsWords()), word(network))
}

// hostsWords says how many machines measured.
func (d *data) hostsWords() string {
	hosts := map[string]bool{}
	for _, c := range d.cells {
		if c.N > 0 {
			hosts[c.Host] = true
		}
	}
	if len(hosts) <= 1 {
		return "one machine"
	}
	return fmt.Sprintf("%d machines", len(hosts))
}
