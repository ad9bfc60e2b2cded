package cli

import (
	"testing"
	"time"
)

// simulated is a step of a simulation: what it was estimated to take, and what it takes.
type simulated struct{ est, took time.Duration }

// steps are n equal steps, the first of which takes longer by the time that a worker needs to start.
func steps(n int, est, took, start time.Duration) []simulated {
	out := make([]simulated, n)
	for i := range out {
		out[i] = simulated{est, took}
	}
	out[0].took += start
	return out
}

func joined(parts ...[]simulated) []simulated {
	var out []simulated
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// times repeats steps.
func times(n int, part []simulated) []simulated {
	var out []simulated
	for range n {
		out = append(out, part...)
	}
	return out
}

const ms = time.Millisecond

// compiling are 24 steps of a backend that compiles each of 6 cells in the first of its runs.
func compiling() []simulated {
	return joined(steps(6, 20500*ms, 18*time.Second, 8*time.Second), steps(18, 550*ms, 600*ms, 0))
}

// TestETA: in matrices of several kinds the time that is said to be left is off by less than three times, from 5% of the time
// on, or by less than 5% of all the time.
func TestETA(t *testing.T) {
	plain := steps(24, 550*ms, 600*ms, 5*time.Second)
	for name, all := range map[string][]simulated{
		"as estimated":                     steps(100, 600*ms, 600*ms, 0),
		"three times slower":               steps(100, 600*ms, 1800*ms, 0),
		"eight times faster":               steps(100, 600*ms, 75*ms, 0),
		"a compiler at the end":            joined(plain, plain, plain, compiling()),
		"a compiler in the middle":         joined(plain, compiling(), plain, plain),
		"degraded at first":                joined(steps(96, 550*ms, ms, 0), plain, plain, compiling()),
		"known to be degraded at first":    joined(steps(96, 0, ms, 0), plain, plain, compiling()),
		"a start of 5 s":                   steps(200, 5*ms, 6*ms, 5*time.Second),
		"a start of 5 s, then long steps":  joined(steps(24, 5*ms, 6*ms, 5*time.Second), plain, plain, compiling()),
		"starts in short and long steps":   joined(times(3, steps(24, 5*ms, 6*ms, 5*time.Second)), times(5, plain), compiling()),
		"only missing ones and a compiler": joined(steps(72, 550*ms, ms, 0), compiling()),
	} {
		t.Run(name, func(t *testing.T) { simulate(t, all) })
	}
}

func simulate(t *testing.T, all []simulated) {
	t.Helper()
	var e eta
	var whole, elapsed time.Duration
	for _, s := range all {
		e.total += s.est
		whole += s.took
	}
	for i, s := range all {
		e.step(s.est, s.took)
		elapsed += s.took
		truth := whole - elapsed
		if elapsed < whole/20 || i == len(all)-1 {
			continue
		}
		said, ok := e.left()
		if off := (said - truth).Abs(); !ok || (said > 3*truth || truth > 3*said) && off > whole/20 {
			t.Errorf("step %d of %d, %s of %s: said %s left, want %s", i+1, len(all), elapsed, whole, said, truth)
		}
	}
}

// TestETABegins: with what was estimated; a step that took much longer than its small estimate hardly changes that.
func TestETABegins(t *testing.T) {
	e := eta{total: 4 * time.Minute}
	if left, ok := e.left(); !ok || left != e.total {
		t.Errorf("at first: said %s left, want %s", left, e.total)
	}
	e.step(3*ms, 5*time.Second)
	if left, ok := e.left(); !ok || left < 3*time.Minute || left > 5*time.Minute {
		t.Errorf("after the start of a worker: said %s left, want about %s", left, e.total)
	}
}

// TestETAWithoutEstimate: no estimate, no promise, and none when what is left is not expected to run.
func TestETAWithoutEstimate(t *testing.T) {
	var e eta
	e.step(0, time.Second)
	if left, ok := e.left(); ok {
		t.Errorf("nothing was estimated: said %s left", left)
	}
	e = eta{total: time.Second}
	e.step(time.Second, 0)
	if left, ok := e.left(); ok {
		t.Errorf("nothing ran: said %s left", left)
	}
}
