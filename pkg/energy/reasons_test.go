package energy

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every reason is in the definitions, and every reason there is one.
func TestReasonsAreDefined(t *testing.T) {
	text, err := os.ReadFile("../../docs/definitions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "**Reasons (`energy_reasons`)**")
	if !found {
		t.Fatal("docs/definitions.md has no reasons of energy")
	}
	table, _, _ = strings.Cut(table, "\nA figure that rests on grade D")
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([A-D]?)").FindAllStringSubmatch(table, -1) {
		told = append(told, m[1])
		if grade := GradeOf([]string{m[1]}); m[2] != "" && string(grade) != m[2] {
			t.Errorf("%s: docs/definitions.md says %s, it costs %s", m[1], m[2], grade)
		}
	}
	want := []string{NoSamples, PartlyCovered, DeviceMissing, SeveralMeters, Disordered,
		WorkElsewhere, NoPowerSource, CounterOnly, PowerOnly, PowerAveraged, CounterReset,
		Disagree, Contradict, Unchanged, Stuck, Implausible, ErrorBound, UnderSampled, Gap, Throttled, Shared, SeveralGPUs, NotOnGPU, ClockStep, Pauses, LongPauses, IdleBusy, IdleUnderSampled, Estimated, CPUEstimated}
	slices.Sort(want)
	slices.Sort(told)
	if !slices.Equal(told, want) {
		t.Errorf("docs/definitions.md has the reasons %v, want %v", told, want)
	}
}
