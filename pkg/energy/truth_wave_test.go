package energy

import (
	"math"
	"math/rand/v2"
	"sort"
)

// wave is power over time in seconds, with its integral in closed form.
type wave interface {
	energy(t float64) float64 // from 0 to t
	power(t float64) float64
}

// pieces is power that is linear between times: from[i] plus slope[i] per second since at[i]. sum[i] is the energy up to
// at[i].
type pieces struct{ at, from, slope, sum []float64 }

// piece goes on at watts, changing by slope per second, for a time.
func (p *pieces) piece(watts, slope, length float64) {
	if len(p.at) == 0 {
		p.at, p.sum = []float64{0}, []float64{0}
	}
	p.from, p.slope = append(p.from, watts), append(p.slope, slope)
	p.at = append(p.at, p.at[len(p.at)-1]+length)
	p.sum = append(p.sum, p.sum[len(p.sum)-1]+watts*length+slope*length*length/2)
}

// end is the time that the pieces reach to.
func (p *pieces) end() float64 {
	if len(p.at) == 0 {
		return 0
	}
	return p.at[len(p.at)-1]
}

func (p *pieces) find(t float64) (i int, dx float64) {
	i = min(max(sort.SearchFloat64s(p.at, t)-1, 0), len(p.from)-1)
	return i, t - p.at[i]
}

func (p *pieces) energy(t float64) float64 {
	i, dx := p.find(t)
	return p.sum[i] + p.from[i]*dx + p.slope[i]*dx*dx/2
}

func (p *pieces) power(t float64) float64 {
	i, dx := p.find(t)
	return p.from[i] + p.slope[i]*dx
}

// sine is power that swings around a mean.
type sine struct{ mean, swing, omega, phase float64 }

func (s sine) power(t float64) float64 { return s.mean + s.swing*math.Sin(s.omega*t+s.phase) }
func (s sine) energy(t float64) float64 {
	return s.mean*t - s.swing/s.omega*(math.Cos(s.omega*t+s.phase)-math.Cos(s.phase))
}

// The waves that some sensors cannot tell from others of another energy.
const (
	inStep  = "sine of 1 Hz"        // moving averages over a second, and readings once per second, do not see it
	hidden  = "spikes at the edges" // which side of the edge they lie on no reading tells
	beat    = "loop in step"        // with the readings: each shows the same part of it
	dips    = "dips at the edges"   // of some milliseconds, as between runs that follow one another
	prefill = "prefill and decode"  // a request whose prompt takes twice the power of its tokens, for 10 to 80 ms
	pauses  = "runs and pauses"     // of an update or so, in which no segment is all idle
)

const idleWatts, busyWatts = 60.0, 300.0

// waves are the waveforms, each drawn anew for a window from s to e of a recording of length seconds. unit is the time
// between two updates that the sensor shows.
var waves = []struct {
	name string
	draw drawing
}{
	{"constant", func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		p.piece(50+300*r.Float64(), 0, length)
		return p
	}},
	{"steps at the edges", func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		p.piece(idleWatts, 0, s)
		p.piece(busyWatts, 0, e-s)
		p.piece(idleWatts, 0, length-e)
		return p
	}},
	{"noisy load, idle around", func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		noise := func(watts, sd, to float64) {
			for p.end() < to-1e-9 {
				p.piece(max(watts*(1+sd*r.NormFloat64()), 0), 0, min(to-p.end(), 0.001+0.004*r.Float64()))
			}
		}
		noise(idleWatts, 0.05, s)
		noise(busyWatts, 0.15, e)
		noise(idleWatts, 0.05, length)
		return p
	}},
	{"steps anywhere", func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		for t := 0.0; t < length; {
			d := unit * (5 + 15*r.Float64())
			p.piece(50+300*r.Float64(), 0, d)
			t += d
		}
		return p
	}},
	{"spikes", func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		for t := 0.0; t < length; {
			d, spike := 0.2*r.ExpFloat64(), 0.005+0.025*r.Float64()
			p.piece(200, 0, d)
			p.piece(400, 0, spike)
			t += d + spike
		}
		return p
	}},
	{"ramps", func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		watts := 200.0
		for t := 0.0; t < length; {
			d, to := 0.3+r.Float64(), 50+300*r.Float64()
			p.piece(watts, (to-watts)/d, d)
			watts, t = to, t+d
		}
		return p
	}},
	{"sine", func(r *rand.Rand, s, e, length, unit float64) wave {
		f := 1 + r.IntN(4) // a tenth and more from whole frequencies, which averages over a second do not see
		return sine{200, 120 * r.Float64(), 2 * math.Pi * (float64(f) - 0.1 - 0.8*r.Float64()), 7 * r.Float64()}
	}},
	{"noise", func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		for t := 0.0; t < length; {
			d := 0.001 + 0.004*r.Float64()
			p.piece(max(200*(1+0.2*r.NormFloat64()), 0), 0, d)
			t += d
		}
		return p
	}},
	{"decode loop", func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		p.piece(idleWatts, 0, s)
		token := 0.008 + 0.02*r.Float64()
		for t := s; t < e; {
			d := min(token*(0.9+0.2*r.Float64()), e-t)
			p.piece(320, 0, 0.7*d)
			p.piece(180, 0, 0.3*d)
			t += d
		}
		p.piece(idleWatts, 0, length-e)
		return p
	}},
	{inStep, func(r *rand.Rand, s, e, length, unit float64) wave {
		return sine{200, 120, 2 * math.Pi, 7 * r.Float64()}
	}},
	{pauses, func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		for p.end() < s-4*unit {
			p.piece(idleWatts, 0, unit*(0.05+1.45*r.Float64()))
			p.piece(busyWatts, 0, unit*(1+3*r.Float64()))
		}
		p.piece(busyWatts, 0, max(s-p.end()-unit, 0))
		p.piece(idleWatts, 0, s-p.end())
		p.piece(busyWatts, 0, e-s)
		for p.end() < length {
			p.piece(idleWatts, 0, unit*(0.05+1.45*r.Float64()))
			p.piece(busyWatts, 0, unit*(1+3*r.Float64()))
		}
		return p
	}},
	{prefill, func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		request := func(to float64) {
			p.piece(2*busyWatts, 0, min(0.01+0.07*r.Float64(), to-p.end()))
			p.piece(busyWatts*(0.95+0.1*r.Float64()), 0, max(to-p.end(), 0))
		}
		gap := 0.005
		if r.IntN(2) == 0 {
			gap = 0.1 + 0.4*r.Float64()
		}
		p.piece(idleWatts, 0, 0.5*unit)
		for p.end() < s-gap-2*unit {
			request(min(p.end()+unit*(1+9*r.Float64()), s-gap))
			p.piece(idleWatts, 0, min(gap, s-p.end()))
		}
		p.piece(idleWatts, 0, max(s-p.end(), 0))
		request(e)
		p.piece(idleWatts, 0, gap)
		request(p.end() + e - s)
		p.piece(idleWatts, 0, max(length-p.end(), 0))
		return p
	}},
	{beat, func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		period := unit * (0.99 + 0.02*r.Float64())
		p.piece(idleWatts, 0, period*r.Float64())
		for p.end() < length {
			p.piece(busyWatts, 0, period/2)
			p.piece(idleWatts, 0, period/2)
		}
		return p
	}},
	{dips, func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		p.piece(busyWatts, 0, s-0.003)
		p.piece(idleWatts, 0, 0.003)
		p.piece(busyWatts, 0, e-s)
		p.piece(idleWatts, 0, 0.003)
		p.piece(busyWatts, 0, length-e)
		return p
	}},
	{hidden, func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		p.piece(200, 0, s)
		p.piece(800, 0, unit/4)
		p.piece(200, 0, length-s-unit/4)
		return p
	}},
	{"slow rise and fall", func(r *rand.Rand, s, e, length, unit float64) wave {
		p := &pieces{}
		tau := (e - s) * (0.05 + 0.45*r.Float64())
		p.piece(idleWatts, 0, s)
		watts := idleWatts
		toward := func(limit, to float64) { // as a filter of first order, in sixty straight pieces
			d := (to - p.end()) / 60
			for range 60 {
				next := limit + (watts-limit)*math.Exp(-d/tau)
				p.piece(watts, (next-watts)/d, d)
				watts = next
			}
		}
		toward(busyWatts, e)
		toward(idleWatts, length)
		return p
	}},
}
