package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/telemetry"
)

// What is there but cannot be read is told with the command that mends it; what is absent or unused is not.
func TestNoteUnusable(t *testing.T) {
	var told []string
	noteUnusable([]telemetry.Finding{
		{Source: "rapl", Status: telemetry.NoAccess, Detail: "energy_uj is for root only", Fix: "sudo chmod a+r energy_uj"},
		{Source: "hwmon", Status: telemetry.Broken, Detail: "power1_input: saw x"},
		{Source: "nvml", Status: telemetry.Absent, Detail: "no driver"}, {Source: "proc", Status: telemetry.Present},
	}, func(format string, a ...any) { told = append(told, fmt.Sprintf(format, a...)) })
	if len(told) != 2 || !strings.Contains(told[0], "rapl") || !strings.Contains(told[0], "(permission): energy_uj is for root only") ||
		!strings.HasSuffix(told[0], "; try: sudo chmod a+r energy_uj") || !strings.HasSuffix(told[1], "(broken): power1_input: saw x") {
		t.Errorf("saw %q", told)
	}
}
