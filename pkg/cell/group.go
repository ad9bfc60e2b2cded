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

	latency    []float64 // ms
	throughput []float64 // tok/s
	tokens     units.Tokens
	latencyNS  int64
	ttft, itl  []float64 // ms
	power      []float64 // W
	gpuPower   []float64 // W
	cpuPower   []float64 // W
	gpuTemp    []float64 // °C
	gpuMem     []float64 // bytes
	gpuUtil    []float64 // %
	rssPeak    *units.Bytes
}

func newGroup() *group {
	return &group{reasons: map[string]bool{}, hashes: map[string]bool{}, sources: map[string]bool{}}
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
	g.latency = append(g.latency, ms(*r.LatencyNS))
	g.throughput = append(g.throughput, float64(*r.ThroughputTokS))
	g.latencyNS += *r.LatencyNS
	g.tokens += *r.Tokens()
	if r.TTFTNS != nil {
		g.ttft = append(g.ttft, ms(*r.TTFTNS))
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
	if r.PowerMeanW != nil {
		g.power = append(g.power, float64(*r.PowerMeanW))
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
		N: int64(len(g.latency)), NDegraded: g.degraded, NError: g.failed, Reasons: list(g.reasons),
		PowerSource: list(g.sources), EnergyGrade: g.grade, RSSPeakBytes: g.rssPeak,
	}
	if c.N == 0 {
		return c, nil
	}
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
	s, err := describe(g.latency)
	if err != nil {
		return err
	}
	set(&c.LatMeanMS, s.mean)
	set(&c.LatSDMS, s.sd)
	set(&c.LatCILowerMS, s.lower)
	set(&c.LatCIUpperMS, s.upper)
	median, err := stats.Median(g.latency)
	if err != nil {
		return err
	}
	high, err := stats.Percentile(g.latency, p95)
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
	get := func(x []float64) description {
		s, err := describe(x)
		errs = append(errs, err)
		return s
	}
	throughput, ttft, power := get(g.throughput), get(g.ttft), get(g.power)
	set(&c.ThroughputMeanTokS, throughput.mean)
	set(&c.ThroughputMeanSDTokS, throughput.sd)
	set(&c.TTFTMeanMS, ttft.mean)
	set(&c.TTFTSDMS, ttft.sd)
	set(&c.ITLMeanMS, get(g.itl).mean)
	set(&c.PowerMeanW, power.mean)
	set(&c.PowerSDW, power.sd)
	if n := int64(len(g.power)); n > 0 {
		c.PowerN = &n
	}
	set(&c.GPUPowerMeanW, get(g.gpuPower).mean)
	set(&c.CPUPowerMeanW, get(g.cpuPower).mean)
	set(&c.GPUTempMeanC, get(g.gpuTemp).mean)
	set(&c.GPUUtilMeanPct, get(g.gpuUtil).mean)
	if mem := get(g.gpuMem).mean; mem != nil {
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

// description summarises a list; nil is what too few values cannot say.
type description struct{ mean, sd, lower, upper *float64 }

// describe sorts x, so that the order of the runs makes no difference in the last digit, and summarises it: the mean, the
// sample standard deviation and the 95% t interval of the mean. One value has no spread, and equal values no interval.
func describe(x []float64) (description, error) {
	if len(x) == 0 {
		return description{}, nil
	}
	slices.Sort(x)
	m, err := stats.Of(x)
	if err != nil {
		return description{}, err
	}
	s := description{mean: &m.Mean}
	if m.N < 2 {
		return s, nil
	}
	s.sd = &m.SD
	ci, err := m.TInterval(stats.DefaultConfidence)
	if errors.Is(err, stats.ErrZeroVariance) {
		return s, nil
	}
	s.lower, s.upper = &ci.Lower, &ci.Upper
	return s, err
}
