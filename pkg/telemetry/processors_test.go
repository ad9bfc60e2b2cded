package telemetry

import (
	"strings"
	"testing"
)

func TestProcessorsTable(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range processors() {
		if p.model == "" || seen[modelWords(p.model)] {
			t.Errorf("saw %q twice or empty", p.model)
		}
		seen[modelWords(p.model)] = true
		if p.tdp < 5 || p.tdp > 600 || p.threads < 0 || p.threads > 512 || p.threads%2 != 0 {
			t.Errorf("%s: saw %v W and %d threads", p.model, p.tdp, p.threads)
		}
		if !strings.HasPrefix(p.date, "202") || p.source == "" {
			t.Errorf("%s: saw source %q, date %q", p.model, p.source, p.date)
		}
		if got, ok := findProcessor("Maker " + p.model + " 8-Core Processor"); !ok || got != p {
			t.Errorf("%s: found as %+v", p.model, got)
		}
	}
	if n := len(processors()); n < 60 {
		t.Errorf("saw %d processors, want the table", n)
	}
}

// Names as processors give them. The watts are those of the makers' pages, which the table's sources repeat.
func TestFindProcessor(t *testing.T) {
	for _, c := range []struct{ name, model string }{
		{"Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", "Xeon Platinum 8259CL"},
		{"Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "E5-2686 v4"},
		{"Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz", "E5-2670"},
		{"Intel(R) Xeon(R) CPU E5-2670 v3 @ 2.30GHz", ""}, // 120 W and other cores: not the row E5-2670
		{"Intel(R) Xeon(R) Platinum 8480+", "Xeon Platinum 8480+"},
		{"INTEL(R) XEON(R) PLATINUM 8592+", "Xeon Platinum 8592+"},
		{"AMD EPYC 7763 64-Core Processor", "EPYC 7763"},
		{"AMD EPYC 7763P 64-Core Processor", ""},
		{"AMD Ryzen 9 7950X 16-Core Processor", "Ryzen 9 7950X"},
		{"AMD Ryzen 9 7950X3D 16-Core Processor", ""}, // 120 W, not the 170 W of the row 7950X
		{"AMD Ryzen Threadripper PRO 5995WX 64-Cores", "Ryzen Threadripper PRO 5995WX"},
		{"Intel(R) Core(TM) i9-9900K CPU @ 3.60GHz", "i9-9900K"},
		{"Intel(R) Core(TM) i9-9900KF CPU @ 3.60GHz", ""},
		{"Intel(R) Xeon(R) Processor", ""},
		{"", ""},
	} {
		got, ok := findProcessor(c.name)
		if got.model != c.model || ok != (c.model != "") {
			t.Errorf("%s: saw %q, want %q", c.name, got.model, c.model)
		}
	}
}
