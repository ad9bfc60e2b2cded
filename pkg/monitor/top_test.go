package monitor

import (
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// machine is a snapshot of a machine with two GPUs, one throttled, and an estimate of the processor.
func machine(m *Monitor) Snapshot {
	for i := range 20 {
		now := time.Duration(i) * 100 * time.Millisecond
		m.Add(own(now, ""))
		for _, name := range []string{"gpu:0", "gpu:1"} {
			s := at(now, "nvml", name)
			s.PowerW, s.TempC, s.UtilPct = units.Ptr(units.Watts(100+10*i)), units.Ptr(units.Celsius(61)), units.Ptr(units.Percent(87))
			s.MemUsedBytes, s.MemTotalBytes = units.Ptr(units.Bytes(5<<30)), units.Ptr(units.Bytes(80<<30))
			s.ClockMHz, s.PowerLimitW = units.Ptr(units.Megahertz(1980)), units.Ptr(units.Watts(700))
			if name == "gpu:1" {
				s.Throttle = "power"
			}
			m.Add(s)
		}
		s := at(now, record.SourceCPUEstimate, "cpu")
		s.PowerW = units.Ptr(units.Watts(7))
		m.Add(s, at(now, "pressure", "host"))
	}
	return m.Snapshot()
}

func TestTopFitsItsTerminal(t *testing.T) {
	s := machine(New())
	for _, width := range []int{0, 200, 120, 80, 40, 12, 1} {
		for _, height := range []int{0, 50, 10, 8, 1} {
			top := Top{Width: width, Height: height}
			top.Note(s)
			lines := top.Lines(Title("h", time.Unix(0, 0), time.Minute), s)
			if height >= 10 && len(lines) > height {
				t.Errorf("%dx%d: saw %d lines", width, height, len(lines))
			}
			for _, line := range lines {
				if n := text.StringWidthWithoutEscSequences(line); width > 0 && n > width {
					t.Errorf("%dx%d: saw %d characters in %q", width, height, n, line)
				}
			}
			all := strings.Join(lines, "\n")
			if width == 0 || width >= 40 {
				for _, want := range []string{"gpu:0", "290 W"} {
					if !strings.Contains(all, want) {
						t.Errorf("%dx%d: %q is not in\n%s", width, height, want, all)
					}
				}
			}
			if (width == 0 || width >= 40) && (height == 0 || height > 10) &&
				(!strings.Contains(all, "7 W†") || !strings.Contains(all, "† estimated, not measured")) {
				t.Errorf("%dx%d: an estimate is not marked in\n%s", width, height, all)
			}
			if strings.Contains(all, "\x1b") || strings.Contains(all, "host") {
				t.Errorf("%dx%d: saw colours, or a device of which there is nothing to show, in\n%s", width, height, all)
			}
		}
	}
}

func TestTopShowsEverything(t *testing.T) {
	m := New()
	top := Top{}
	for range 40 {
		top.Note(machine(m))
	}
	s := m.Snapshot()
	all := strings.Join(top.Lines("title", s), "\n")
	for _, want := range []string{"title", "290 W", "700 W", "61 °C", "87 %", "1980 MHz", "5 GiB of 80 GiB", "now: power",
		"cpu-estimate (grade D)", strings.Repeat("█", historyLength), "0 missed", "% of a processor"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in\n%s", want, all)
		}
	}
	if strings.Contains(all, strings.Repeat("█", historyLength+1)) {
		t.Errorf("saw more than %d points in\n%s", historyLength, all)
	}
	top.Color, top.Height = true, 10
	all = strings.Join(top.Lines("title", s), "\n")
	if !strings.Contains(all, "\x1b[31m") || !strings.Contains(all, "and 1 more") {
		t.Errorf("saw neither red nor what does not fit in\n%s", all)
	}
}

func TestSpark(t *testing.T) {
	if got, want := spark([]float64{-1, 0, 50, 99, 100, 200}, 100), "▁▁▅███"; got != want {
		t.Errorf("saw %s, want %s", got, want)
	}
}
