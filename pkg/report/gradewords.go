package report

import (
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

// gradeRules are what the energy grades mean, word for word as in docs/definitions.md: two wordings of a rule are two rules.
var gradeRules = []struct {
	grade   record.Grade
	meaning string
}{
	{record.GradeA, "counter and integrated instantaneous power agree within 5%, and the bound is at most 5% of the energy (25% of that of power, which is but the check)"},
	{record.GradeB, "one of them, well sampled: bound at most 5% (2.5% of power alone, whose bound is one of probability, and of a counter with fewer than ten updates in the window or none seen after it), ten readings in the window, of a counter at least two updates, of power ten"},
	{record.GradeC, "something is wrong: see the reasons"},
	{record.GradeD, "estimated from a model of the processor, not measured"},
	{"", "nothing known; power is null too, or its quality is (archives)"},
}

// gradeReasons are why there is no better grade, word for word as in docs/definitions.md.
var gradeReasons = []struct {
	code    string
	most    string // the best grade that it leaves, or null; empty: any
	meaning string
}{
	{"counter_only", "B", "no independent reading of power to compare the counter with, or power too roughly sampled for that"},
	{"power_only", "B", "no counter to compare the integrated power with"},
	{"disagree", "B", "counter and integrated power differ by more than 5%; the counter's energy stands"},
	{"contradict", "C", "they differ by more than 25% beyond both their bounds: one of the two is wrong, and there is no bound"},
	{"unchanged", "C", "power alone, and every reading of it in the window the same, as those of a sensor that stands still are; there is no bound"},
	{"stuck", "B", "the counter did not rise in the window, or power was 0 all the time, so the sensor is not working; the other reading was taken, or there is none"},
	{"implausible", "B", "counter or power of more than 20 kW for one device, which is none; the other reading was taken, or there is none"},
	{"counter_reset", "B", "the counter fell inside the window, as where two recordings of one device overlap whose counters began at different readings; power was integrated instead, or there is none"},
	{"pauses", "B", "the iterations fill less than 99% of the window; energy is a share by time"},
	{"long_pauses", "C", "less than 95%"},
	{"error_bound", "C", "the bound is above 5% of the energy, or above the 2.5% that B has where it says so"},
	{"under_sampled", "C", "fewer than ten readings in the window, or new ones of power, or power that repeats and does not show how often it is new; or fewer than two updates of a counter"},
	{"power_averaged", "C", "only moving averages of power, whose bound after taking them apart is above 5%, or in a window shorter than ten of their spans, as a swing with that period leaves no trace in them"},
	{"gap", "C", "readings of a counter are missing for a tenth of the window and more than a second, those of power for a twentieth of it, so that it has no bound; or a counter was read and did not move for ten of its periods, and has none either"},
	{"throttled", "C", "the device slowed down for heat or power"},
	{"shared", "C", "other processes (`foreign_processes`, or `processes` above one where that is not told) or another run used the device (of a processor any run, as all use it); of a CPU run also where others took more than 5% of the CPUs' time (`foreign_load`)"},
	{"several_gpus", "C", "power of several GPUs is summed, whichever did the work"},
	{"not_on_gpu", "C", "the measured processes held no memory on any GPU that is read, as those on one in MIG mode, which is not read"},
	{"clock_step", "C", "the wall clock was set within a second of the window; without energy: the window's time came twice, or never"},
	{"estimated", "D", "a model, not a measurement; alone or with others"},
	{"idle_busy", "", "whenever the machine was to be idle its processors (or the GPU) were busy for more than 10% of the time, or it is not known how busy they were, so that idle power and marginal energy are not known"},
	{"cpu_power_estimated", "", "of a GPU run: `cpu_power_mean_w` is estimated, which its grade is not of"},
	{"no_samples", "null", "no samples cover the window"},
	{"partly_covered", "null", "samples lie in the window but do not cover it, as those of a recording that began late"},
	{"no_power_source", "null", "samples cover the window, but none has power of the device"},
	{"work_elsewhere", "null", "a server did the work, perhaps on another machine"},
}

// gradeDefinitions are the grades, which reasons leave no better one, and what those reasons say that runs here have.
func (d *data) gradeDefinitions() []Line {
	var lines []Line
	for _, r := range gradeRules {
		line := append(prose("%s: ", strong("energy grade "+orElse(string(r.grade), "null"))), ticked(r.meaning)...)
		if codes := reasonsLeaving(orElse(string(r.grade), "null")); len(codes) > 0 {
			line = joined(append(line, word("; reasons that leave no better one: ")), codes, ", ")
		}
		if r.grade == record.GradeD {
			line = append(line, word("; a number that rests on it carries "+EstimateMark))
		}
		lines = append(lines, append(line, word(".")))
	}
	seen := d.gradesOf(of("")).reasons
	for _, r := range gradeReasons {
		if seen[r.code] > 0 {
			lines = append(lines, append(append(prose("%s, a reason: ", code(r.code)), ticked(r.meaning)...), word(".")))
		}
	}
	return lines
}

// reasonsLeaving are the reasons that leave no better grade than one.
func reasonsLeaving(most string) []Line {
	var codes []Line
	for _, r := range gradeReasons {
		if r.most == most {
			codes = append(codes, Line{code(r.code)})
		}
	}
	return codes
}

// ticked is text with the words between backticks as code.
func ticked(text string) Line {
	var line Line
	for i, part := range strings.Split(text, "`") {
		switch {
		case part == "":
		case i%2 == 1:
			line = append(line, code(part))
		default:
			line = append(line, word(part))
		}
	}
	return line
}
