package report

import (
	"fmt"

	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	register(section{20, "Measurement definitions", definitions})
}

// latencyWords defines latency as the runs of the report were measured.
func (d *data) latencyWords() string {
	if !d.FromRuns {
		return "wall time of the work, as the archived runs were measured."
	}
	if d.Matrix != nil && d.Matrix.MinWindow == 0 {
		return "wall time of one run of the work, at the client where the backend is a server; of several requests in flight, from their release to the end of the last."
	}
	return "wall time of one repetition of the work; a short run is repeated inside one window until the window is long enough for the power sensor."
}

func definitions(d *data) []Block {
	items := []Line{
		prose("%s: one forward pass over batch size x prompt tokens, padded; warm-ups and tokenisation are left out. Throughput counts the prompt tokens.", strong("prefill")),
		prose("%s: greedy decoding without a KV cache, one full forward pass per new token. Throughput counts the new tokens.", strong("generate")),
	}
	for _, mode := range d.modes {
		if mode == record.GenerateCached {
			items = append(items, prose("%s: the same with a KV cache. ttft is the time to the first new token, itl the gap before each later one.", strong("generate-cached")))
		}
	}
	if d.Matrix != nil && d.Matrix.Temperature > 0 {
		items = append(items, prose("Decoding here is not greedy: tokens are sampled at temperature %s.", word(fmt.Sprint(d.Matrix.Temperature))))
	}
	items = append(items,
		prose("%s of a run: %s", strong("latency"), word(d.latencyWords())),
		prose("%s of a cell: total tokens over total time (estimator ratio)%s", strong("throughput"), word(d.estimatorWords())),
		prose("%s of a run: mean over its window on the device that did the work, the GPU for GPU backends and the CPU package for CPU backends.", strong("power")),
	)
	items = append(items, d.gradeDefinitions()...)
	if !d.Profile.priced() {
		items = append(items, energyDefinitions122()...)
	} else {
		items = append(items, costDefinitions()...)
	}
	items = append(items,
		prose("%s: the unweighted arithmetic mean over the scenario cells of a backend in a mode.", strong("mean across scenarios")),
		prose("%s are 95% and cover what repeating the runs would change, in other worker processes where a cell has several sessions and else in the same one; not what prices, other prompts or another day might do. Standard deviations use n-1, percentiles are of type 7.", strong("intervals")),
		prose("%s, %s: the backend was not available and nothing ran; or it ran and broke. Such runs have no measurements and count nowhere else. %s is a value that was not measured, never zero.",
			strong("degraded"), strong("error"), code("n/a")),
	)
	return []Block{list(items...)}
}

// costDefinitions are those of a report with costs.
func costDefinitions() []Line {
	return []Line{
		prose("%s = 1e6 / (throughput * 3600); %s = power * (1e6 / throughput) / 3.6e6.", code("hours_per_1m"), code("energy_kwh_per_1m")),
		prose("%s = hours * USD per hour; %s = kWh * USD per kWh; %s = infra + energy; %s = kWh * gCO2e per kWh.",
			code("infra_usd_per_1m"), code("energy_usd_per_1m"), code("total_usd_per_1m"), code("carbon_g_per_1m")),
	}
}

// estimatorWords is the other estimator of throughput, which a report without costs does not show.
func (d *data) estimatorWords() string {
	if !d.Profile.priced() {
		return "."
	}
	return ", or the mean of the runs' throughputs (estimator mean), as the original report had it. Cost is time, so the ratio is what a bill follows."
}
