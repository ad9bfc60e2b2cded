package telemetry

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// docs/sensors.md has a section and a line of its table for every source, and for nothing else.
func TestSensorsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/sensors.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range members {
		names = append(names, m.name)
	}
	slices.Sort(names)
	for _, pattern := range []string{"(?m)^## `([^`]+)`$", "(?m)^\\| `([a-z-]+)` \\|[^|\\n]*\\|[^|\\n]*\\|[^|\\n]*\\|[^|\\n]*\\|$"} {
		var found []string
		for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
			found = append(found, string(m[1]))
		}
		slices.Sort(found)
		if !slices.Equal(found, names) {
			t.Errorf("%s: saw %q, want %q", pattern, found, names)
		}
	}
}
