package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/roofline"
	"github.com/banterhearts/bh/pkg/units"
)

// maxMissedShare is the share of planned sweeps that may be missing before a recording is called patchy.
const maxMissedShare = 0.01

func checkRecording(d *data) (verdictKind, string) {
	f := &d.Recorder
	switch {
	case d.Timeline == nil:
		return warn, "there is no " + SamplesFile
	case f.sweeps == 0:
		return warn, "the samples have no rows of the recorder"
	}
	saw := fmt.Sprintf("%d sweeps, %d missed", f.sweeps, f.missed)
	if late := f.late.quantile(0.99); late != nil {
		saw += fmt.Sprintf(", 99%% of them at most %.3g ms late", *late/1e6)
	}
	if float64(f.missed) > maxMissedShare*float64(f.sweeps+f.missed) {
		return warn, saw
	}
	return pass, saw
}

// maxCalibrationLoad is the share of the processors' time, per cent, from which on others slowed a calibration down.
const maxCalibrationLoad = 1

func checkCalibration(d *data) (verdictKind, string) {
	k := d.Calibration
	if k == nil {
		return warn, "there is no " + roofline.FileName
	}
	var doubts []string
	for _, c := range d.cells {
		if c.N > 0 && c.Host != k.Host {
			doubts = append(doubts, "it is of host "+k.Host+", runs are of "+c.Host)
			break
		}
	}
	var threads []string
	for _, c := range d.cells {
		s := d.resources(c)
		if c.N == 0 || s == nil || c.Device != record.CPU || s.threads == int64(k.Threads) {
			continue
		}
		if had := c.label + " had " + threadWords(s.threads); !slices.Contains(threads, had) {
			threads = append(threads, had)
		}
	}
	if len(threads) > 0 {
		doubts = append(doubts, fmt.Sprintf("it is of %s, and %s", count(int64(k.Threads), "thread"), strings.Join(threads, ", ")))
	}
	for _, share := range []struct {
		who string
		pct *units.Percent
	}{{"other processes used", k.ForeignCPUPct}, {"other virtual machines took", k.CPUStealPct}} {
		told := slices.ContainsFunc(k.Warnings, func(w string) bool { return strings.HasPrefix(w, share.who) })
		if share.pct != nil && *share.pct > maxCalibrationLoad && !told {
			doubts = append(doubts, fmt.Sprintf("%s %s%% of the processors' time meanwhile: the roofs are higher than measured", share.who, units.G4(float64(*share.pct))))
		}
	}
	if k.FLOPPerS == nil {
		doubts = append(doubts, "no FLOP rate: "+k.FLOPAbsent)
	}
	doubts = append(doubts, k.Warnings...)
	if len(doubts) > 0 {
		return warn, strings.Join(doubts, "; ")
	}
	return pass, fmt.Sprintf("with %s, and nothing disturbed it", count(int64(k.Threads), "thread"))
}
