package report

import (
	"fmt"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

// usefulSessions is the number of sessions from which on an interval over them says something: two leave one degree of
// freedom, and Student's factor of 12.7 for 95%; three leave 4.3, five 2.8.
const usefulSessions = 3

// sessionCounts are the fewest and the most sessions that the good runs of a cell come from; 0 where no cell tells.
func (d *data) sessionCounts() (least, most int64) {
	for _, c := range d.cells {
		if c.Sessions == nil {
			continue
		}
		if least == 0 || *c.Sessions < least {
			least = *c.Sessions
		}
		most = max(most, *c.Sessions)
	}
	return least, most
}

// checkSessions asks whether there are enough sessions where sessions are the unit of intervals and tests.
func checkSessions(d *data) (verdictKind, string) {
	least, most := d.sessionCounts()
	switch {
	case most == 0:
		return skipped, "in how many worker processes the runs were made is not on record"
	case most == 1:
		return skipped, "every cell has one: what differs between worker processes is not known"
	}
	saw := fmt.Sprintf("%d to %d", least, most)
	if least == most {
		saw = fmt.Sprint(most)
	}
	saw += " sessions in each cell with good runs"
	if least >= usefulSessions {
		return pass, saw
	}
	var few []string
	for _, c := range d.cells {
		if c.Sessions != nil && *c.Sessions < usefulSessions {
			few = append(few, c.name())
		}
	}
	return warn, fmt.Sprintf("%s; fewer than %d: %s", saw, usefulSessions, names(few))
}

// sessionWords say beside intervals and tests what they are over; empty where the data do not tell.
func (d *data) sessionWords() string {
	least, most := d.sessionCounts()
	switch {
	case most == 0:
		return ""
	case most == 1:
		return "Every backend ran in one worker process: intervals and tests over runs speak of repetitions in that process, and what differs between processes is in none of them. A matrix with sessions: 5 has it measured."
	}
	words := "Runs of a cell come from several sessions, one worker process each, and these are the unit of intervals and tests over runs: k sessions leave k-1 degrees of freedom, however many runs each has."
	if least == 1 {
		words += " Where a cell has one session, its interval is over its runs and what differs between processes is not in it."
	}
	if least == 2 {
		words += " Two sessions leave one degree of freedom and a factor of 12.7, so that their intervals are very wide by design; five have a factor of 2.8."
	}
	return words
}

// disturbance says at the head of a report that most runs were disturbed or most cells are noisy; empty where neither is so.
func (d *data) disturbance() string {
	var loaded, observed, runs int64
	for _, i := range d.singleRuns().Isolation {
		runs, observed = runs+i.Runs, observed+i.ForeignKnown
		for _, f := range i.Flags {
			if f.Flag == record.FlagForeignLoad {
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
