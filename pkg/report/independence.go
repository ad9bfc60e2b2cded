package report

import (
	"fmt"
	"strings"
)

// noticeableShare is the share of a cell's variance between sessions above which its runs are not called independent: of two
// sessions of seven runs each, 10% makes the variance of the mean 1.6 times what independent runs would give.
const noticeableShare = 0.1

// dependent lists the cells whose runs are alike within a session, with what that makes of their number, and counts the
// cells whose variance could be split.
func (d *data) dependent() (cells []string, known int) {
	for _, s := range d.singleRuns().Sessions {
		if s.BetweenShare == nil {
			continue
		}
		known++
		if *s.BetweenShare > noticeableShare {
			cells = append(cells, fmt.Sprintf("%s %s %s design effect %.3g, %d runs are worth %.3g", s.Backend, s.Mode, s.Scenario,
				*s.DesignEffect, s.N, *s.EffectiveN))
		}
	}
	return cells, known
}

// checkIndependence asks whether runs of one session are more alike than runs of several: intervals and tests over runs
// take them as independent.
func checkIndependence(d *data) (verdictKind, string) {
	bad, known := d.dependent()
	switch {
	case len(d.singleRuns().Sessions) == 0:
		return skipped, "no cell has runs of two worker processes: what differs between processes is not known"
	case known == 0:
		return warn, "the variance of no cell could be split"
	case len(bad) > 0:
		return warn, fmt.Sprintf("in %d of %d cells more than %g%% of the variance is between sessions: %s", len(bad), known, 100*noticeableShare, names(bad))
	}
	return pass, fmt.Sprintf("at most %g%% of the variance is between sessions in %d cells, as far as so few sessions tell", 100*noticeableShare, known)
}

// independenceWords stand beside intervals and tests over runs of several sessions; empty where there is one session.
func (d *data) independenceWords() string {
	if len(d.singleRuns().Sessions) == 0 {
		return ""
	}
	bad, known := d.dependent()
	if len(bad) == 0 {
		return fmt.Sprintf("Intervals and tests over runs take runs as independent: between_share of none of %d cells is above %g, as far as so few sessions tell (section 4, variation between sessions).",
			known, noticeableShare)
	}
	return fmt.Sprintf("Intervals and tests over runs take runs as independent, and those of one session are not: between_share of %d of %d cells is above %g, which makes their intervals too narrow and their p values too small; with few sessions it is known roughly (section 4, variation between sessions).",
		len(bad), known, noticeableShare)
}

// foreignLoad is the flag of a run beside which other processes used the CPUs.
const foreignLoad = "foreign_load"

// disturbance says at the head of a report that most runs were disturbed or most cells are noisy; empty where neither is so.
func (d *data) disturbance() string {
	var loaded, observed, runs int64
	for _, i := range d.singleRuns().Isolation {
		runs, observed = runs+i.Runs, observed+i.ForeignKnown
		for _, f := range i.Flags {
			if f.Flag == foreignLoad {
				loaded += f.Runs
			}
		}
	}
	bad, seen := d.noisyCells()
	noisy, busy := 2*len(bad) > seen, 2*loaded > observed
	if !noisy && !busy {
		return ""
	}
	var parts []string
	if runs > 0 && observed == 0 {
		parts = append(parts, fmt.Sprintf("what else ran was observed in none of %d runs", runs))
	}
	if observed > 0 {
		parts = append(parts, fmt.Sprintf("other work ran beside the measurement in %d of %d observed runs", loaded, observed))
		if observed < runs {
			parts[0] += fmt.Sprintf(" (%d more were not observed)", runs-observed)
		}
	}
	if noisy {
		parts = append(parts, fmt.Sprintf("the latencies of %d of %d cells have a standard deviation above %d%% of their mean", len(bad), seen, maxSpreadPct))
	}
	return sentenceStart(strings.Join(parts, "; ")) + ": figures are those of a machine that was not quiet, and small differences between backends may be those of what else ran."
}

// disturbed is the note of it.
func (d *data) disturbed() []Block {
	if words := d.disturbance(); words != "" {
		return []Block{Note{Warning, phrase(words)}}
	}
	return nil
}
