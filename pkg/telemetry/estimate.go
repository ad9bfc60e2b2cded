package telemetry

import (
	"cmp"
	"fmt"
	"io/fs"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

func init() {
	register(member{
		name: record.SourceCPUEstimate, measures: "processor power, modelled from utilisation (grade D)",
		cpuPower: true, fallback: true, open: openEstimate,
	})
}

// The coefficients of cpu-estimate: power of one virtual processor idle and fully used. They are the averages that Cloud
// Carbon Footprint publishes for processors of unknown make (Thoughtworks, "Methodology", section Compute and appendix I,
// docs/HowItWorks/Methodology.md of github.com/cloud-carbon-footprint/cloud-carbon-footprint, revision of 2023-09-12:
// AWS, minimum 0.74 W, maximum 3.5 W; the same page gives GCP 0.71 and 4.26, Azure 0.78 and 3.76), after Etsy's "Cloud
// Jewels" (2020). They come from SPECpower_ssj2008 and so stand for a share of a whole server at the plug, memory and
// fans included: more than package power. That is one reason why what is computed from them is never graded better than D.
const (
	DefaultIdleWattsPerCPU units.Watts = 0.74
	DefaultMaxWattsPerCPU  units.Watts = 3.5
)

// estimateIdleShare is the share of its thermal design power that a package from the table of processors is taken to
// draw idle; under full load it is taken to draw all of it. It is from the package power that Teads gives for whole
// machines of AWS, measured for some and reckoned from those for the others (data/aws-instances.csv of
// github.com/cloud-carbon-footprint/ccf-coefficients, revision b0032d9, columns "PkgWatt @ Idle" to "@ 100%"): idle is 0.09
// to 0.12 of full load on all 17 platforms, and full load 0.88 to 1.06 of the design power on six of their seven Xeons
// that are in the table (1.31 on one). At half load they draw 0.69 to 0.82 of full load, where the straight line from
// idle to full load says 0.56: another reason for grade D.
const estimateIdleShare = 0.12

// estimate models the power of all processors together, as device "cpu":
//
//	power = sum over processors of idle + utilisation * (max - idle)
//
// ("Average Watts = Min Watts + Avg vCPU Utilization * (Max Watts - Min Watts)", Cloud Carbon Footprint, Methodology.) The
// same model, integrated over the kernel's busy time, gives an energy counter that does not depend on the sampling
// interval.
type estimate struct {
	env       Environment
	files     fs.FS
	stat      *kept
	idle, max units.Watts // of one processor

	energy units.Joules  // since the source was opened
	owed   time.Duration // busy time of processors that is not in energy yet
	times  cpuTimes      // at the last reading
	at     time.Time

	rateFrom   units.Joules // energy and time of the last reading that gave a power
	rateFromAt time.Time
}

var (
	_ Source   = (*estimate)(nil)
	_ Resolver = (*estimate)(nil)
)

// estimateUpdate is how often the counter can change: the busy time that it is made from is counted in ticks.
const estimateUpdate = time.Second / userHZ

func openEstimate(env Environment, opt Options) (Source, string, error) {
	e := &estimate{env: env, files: env.fsys(), idle: DefaultIdleWattsPerCPU, max: DefaultMaxWattsPerCPU}
	stat, t, err := openCPUTimes(e.files)
	if err != nil {
		return nil, "", procAbsent(err)
	}
	origin := e.fromTable(t.cpus)
	if opt.CPUIdleWatts != nil {
		packages := cmp.Or(len(packageCPUs(e.files)), 1)
		perCPU := func(w units.Watts) units.Watts { return w * units.Watts(packages) / units.Watts(t.cpus) }
		e.idle, e.max = perCPU(*opt.CPUIdleWatts), perCPU(*opt.CPUMaxWatts)
		origin = "given for each of " + count(packages, "package")
	}
	e.stat, e.times, e.at = stat, t, time.Now()
	e.rateFromAt = e.at
	detail := fmt.Sprintf("%s, %.3g W idle, %.3g W at full load: an estimate, %s",
		count(t.cpus, "processor"), float64(e.idle)*float64(t.cpus), float64(e.max)*float64(t.cpus), origin)
	return e, detail, nil
}

// fromTable takes the coefficients from the table of processors where it has this one, and says what they come from. A
// virtual machine has some threads of a package, and so the same share of its power.
func (e *estimate) fromTable(cpus int) string {
	const averages = "averages of Cloud Carbon Footprint"
	model := modelName(e.files)
	p, ok := findProcessor(model)
	virtual := virtualMachine(e.files)
	switch {
	case model == "":
		return averages
	case !ok:
		return fmt.Sprintf("%s, as the table of processors has no %q", averages, model)
	case virtual && p.threads == 0:
		return fmt.Sprintf("%s, as the table does not tell how many threads of a %s are this virtual machine's", averages, p.model)
	}
	origin := fmt.Sprintf("from the %g W (TDP) of a %s, %s of %s in CodeCarbon", p.tdp, p.model, p.source, p.date)
	var perCPU units.Watts
	if virtual {
		perCPU = p.tdp / units.Watts(p.threads)
		origin += fmt.Sprintf(", scaled to %d of its %d threads as this is a virtual machine", cpus, p.threads)
	} else {
		packages := cmp.Or(len(packageCPUs(e.files)), 1)
		perCPU = p.tdp * units.Watts(packages) / units.Watts(cpus)
		origin += ", " + count(packages, "package")
	}
	e.idle, e.max = perCPU*estimateIdleShare, perCPU
	return origin
}

// Name implements Source.
func (*estimate) Name() string { return record.SourceCPUEstimate }

// Sample implements Source.
func (e *estimate) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	t, err := readCPUTimes(e.stat)
	if err != nil {
		return dst, err
	}
	e.count(t, now)

	s := e.env.sample(now, record.SourceCPUEstimate, "cpu")
	s.EnergyCounterJoules, s.CounterUpdateNS = units.Ptr(e.energy), units.Ptr(int64(estimateUpdate))
	if span := now.Sub(e.rateFromAt); span >= minRateSpan {
		s.PowerW = units.Ptr((e.energy - e.rateFrom).Over(span))
		e.rateFrom, e.rateFromAt = e.energy, now
	}
	return append(dst, s), nil
}

// count brings the energy up to a reading. Ticks that are told late, or that passed between now and the reading, would be more
// than the processors can be busy since the last one, and power beyond the model's full load: they count in the next readings.
func (e *estimate) count(t cpuTimes, now time.Time) {
	busy, _ := t.since(e.times)
	span := max(now.Sub(e.at), 0)
	e.owed += time.Duration(busy) * time.Second / userHZ
	took := min(e.owed, span*time.Duration(t.cpus))
	e.owed -= took
	e.energy += e.idle.For(span)*units.Joules(t.cpus) + (e.max - e.idle).For(took)
	e.times, e.at = t, now
}

// Resolution implements Resolver.
func (*estimate) Resolution() map[string]Resolution {
	return map[string]Resolution{"cpu": {Counter: estimateUpdate}}
}

// Close implements Source.
func (e *estimate) Close() error { return e.stat.close() }
