package report

import (
	"fmt"
	"strings"

	"github.com/banterhearts/bh/pkg/roofline"
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
	if k.FLOPPerS == nil {
		doubts = append(doubts, "no FLOP rate: "+k.FLOPAbsent)
	}
	doubts = append(doubts, k.Warnings...)
	if len(doubts) > 0 {
		return warn, strings.Join(doubts, "; ")
	}
	return pass, fmt.Sprintf("with %d threads, and nothing disturbed it", k.Threads)
}
