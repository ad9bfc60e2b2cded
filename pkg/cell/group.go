package cell

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
	"github.com/banterhearts/bh/pkg/units"
)

// p95 is the percentile of lat_p95_ms.
const p95 = 95

// group is the runs of one cell, reduced to the numbers that the summary needs. Lists hold only the runs that have the
// figure.
type group struct {
	degraded, failed int64
	reasons          map[string]bool
	hashes           map[string]bool
	hashed           int // runs with an output hash
	sources          map[string]bool
	grade            record.Grade
	zeroPower        bool // a run has a power of 0 W

	latency    figure // ms
	throughput figure // tok/s
	tokens     units.Tokens
	latencyNS  int64
	ttft       figure    // ms
	itl        []float64 // ms
	power      figure    // W
	gpuPower   []float64 // W
	cpuPower   []float64 // W
	gpuTemp    []float64 // °C
	gpuMem     []float64 // bytes
	gpuUtil    []float64 // %
	rssPeak    *units.Bytes
}

func newGroup() *group {
	return &group{reasons: map[string]bool{}, hashes: map[string]bool{}, sources: map[string]bool{},
		latency: figure{}, throughput: figure{}, ttft: figure{}, power: figure{}}
}

// add takes what the summary needs of one run.
func (g *group) add(r *record.Run) {
	switch r.Status {
	case record.Degraded:
		g.degraded++
		g.reasons[r.Reason] = true
		return
	case record.Failed:
		g.failed++
		g.reasons[r.Reason] = true
		return
	}
	g.latency.add(r, ms(*r.LatencyNS))
	g.throughput.add(r, float64(*r.ThroughputTokS))
	g.latencyNS += *r.LatencyNS
	g.tokens += *r.Tokens()
	if r.TTFTNS != nil {
		g.ttft.add(r, ms(*r.TTFTNS))
	}
	if n := len(r.ITLNS); n > 0 {
		var sum int64
		for _, gap := range r.ITLNS {
			sum += gap
		}
		g.itl = append(g.itl, ms(sum)/float64(n))
	}
	if r.OutputHash != "" {
		g.hashed++
		g.hashes[r.OutputHash] = true
	}
	g.addTelemetry(r)
}

// addTelemetry takes the columns that exist once a run is joined with samples.
func (g *group) addTelemetry(r *record.Run) {
	switch {
	case r.PowerMeanW == nil:
	case *r.PowerMeanW == 0: // no device that works draws nothing: its sensor is broken
		g.zeroPower = true
	default:
		g.power.add(r, float64(*r.PowerMeanW))
		g.sources[r.PowerSource] = true
		g.grade = WorseGrade(g.grade, r.EnergyGrade)
	}
	g.gpuPower = appendKnown(g.gpuPower, r.GPUPowerMeanW)
	g.cpuPower = appendKnown(g.cpuPower, r.CPUPowerMeanW)
	g.gpuTemp = appendKnown(g.gpuTemp, r.GPUTempMeanC)
	g.gpuUtil = appendKnown(g.gpuUtil, r.GPUUtilMeanPct)
	g.gpuMem = appendKnown(g.gpuMem, r.GPUMemMeanBytes)
	if r.RSSPeakBytes != nil && (g.rssPeak == nil || *r.RSSPeakBytes > *g.rssPeak) {
		g.rssPeak = units.Ptr(*r.RSSPeakBytes)
	}
}

func ms(ns int64) float64 { return float64(ns) / 1e6 }

func appendKnown[T ~float64 | ~int64](list []float64, v *T) []float64 {
	if v == nil {
		return list
	}
	return append(list, float64(*v))
}

// summary is the cell of the group. An error is a figure that a valid run cannot have.
func (g *group) summary(k key) (record.Cell, error) {
	c := record.Cell{
		Schema: record.SchemaCell, Experiment: k.experiment, Host: k.host, Backend: k.backend, Model: k.model,
		Precision: k.precision, Device: k.device, Settings: k.settings, Threads: &k.threads, Mode: k.mode,
		Scenario: k.scenario, BatchSize: &k.batchSize, PromptTokens: &k.promptTokens, MaxNewTokens: &k.maxNewTokens,
		N: int64(len(g.latency.all())), NDegraded: g.degraded, NError: g.failed, Reasons: list(g.reasons),
		PowerSource: list(g.sources), EnergyGrade: g.grade, RSSPeakBytes: g.rssPeak,
	}
	if c.N == 0 {
		return c, nil
	}
	c.Sessions = units.Ptr(int64(len(g.latency)))
	if g.hashed > 1 {
		c.OutputsDiffer = units.Ptr(len(g.hashes) > 1)
	}
	// Every run counts once, however many iterations its window held: so the ratio is tokens per run over mean latency,
	// and its uncertainty is the mean latency's.
	c.TokensPerRun = units.Ptr(float64(g.tokens) / float64(c.N))
	c.ThroughputRatioTokS = units.Ptr(units.TokensPerSecond(float64(g.tokens) / (float64(g.latencyNS) / 1e9)))
	return c, errors.Join(g.latencyFigures(&c), g.otherFigures(&c))
}

// list is the sorted names of a set, comma-separated, without the empty one.
func list(set map[string]bool) string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(set)), func(s string) bool { return s == "" })
	return strings.Join(names, ",")
}

// latencyFigures fills the columns of latency.
func (g *group) latencyFigures(c *record.Cell) error {
	s, err := g.latency.describe(c)
	if err != nil {
		return err
	}
	set(&c.LatMeanMS, s.mean)
	set(&c.LatSDMS, s.sd)
	set(&c.LatSEMS, s.se)
	set(&c.LatCILowerMS, s.lower)
	set(&c.LatCIUpperMS, s.upper)
	all := g.latency.all()
	median, err := stats.Median(all)
	if err != nil {
		return err
	}
	high, err := stats.Percentile(all, p95)
	if err != nil {
		return err
	}
	set(&c.LatMedianMS, &median)
	set(&c.LatP95MS, &high)
	return nil
}

// otherFigures fills the means, over the runs that have the figure.
func (g *group) otherFigures(c *record.Cell) error {
	var errs []error
	get := func(f figure) description {
		s, err := f.describe(c)
		errs = append(errs, err)
		return s
	}
	mean := func(x []float64) *float64 {
		m, err := moments(x)
		errs = append(errs, err)
		if m == nil {
			return nil
		}
		return &m.Mean
	}
	throughput, ttft, power := get(g.throughput), get(g.ttft), get(g.power)
	set(&c.ThroughputMeanTokS, throughput.mean)
	set(&c.ThroughputMeanSDTokS, throughput.sd)
	set(&c.ThroughputMeanSETokS, throughput.se)
	set(&c.TTFTMeanMS, ttft.mean)
	set(&c.TTFTSDMS, ttft.sd)
	if len(g.ttft.all()) == int(c.N) { // a reader takes the degrees of freedom from n
		set(&c.TTFTSEMS, ttft.se)
	}
	set(&c.ITLMeanMS, mean(g.itl))
	set(&c.PowerMeanW, power.mean)
	set(&c.PowerSDW, power.sd)
	set(&c.PowerSEW, power.se)
	switch n := int64(len(g.power.all())); {
	case n > 0:
		c.PowerN = &n
	case g.zeroPower: // none of them is one: who makes energy of it can say why there is none
		c.PowerN = &n
	}
	set(&c.GPUPowerMeanW, mean(g.gpuPower))
	set(&c.CPUPowerMeanW, mean(g.cpuPower))
	set(&c.GPUTempMeanC, mean(g.gpuTemp))
	set(&c.GPUUtilMeanPct, mean(g.gpuUtil))
	if mem := mean(g.gpuMem); mem != nil {
		c.GPUMemMeanBytes = units.Ptr(units.Bytes(math.Round(*mem)))
	}
	return errors.Join(errs...)
}

// set stores a figure in its column; nil stays null.
func set[T ~float64](column **T, v *float64) {
	if v != nil {
		*column = units.Ptr(T(*v))
	}
}
