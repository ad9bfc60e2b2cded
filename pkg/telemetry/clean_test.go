package telemetry

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"github.com/banterhearts/bh/pkg/record"
)

func TestClean(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"Package id 0", "Package id 0"},
		{"Gehäuse 電源 🔌", "Gehäuse 電源 🔌"},
		{"Netzteil \xfc", "Netzteil \ufffd"},
		{"\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"},
		{"\x1b]0;title\x07", "\ufffd]0;title\ufffd"},
		{"csi \u009b2J", "csi \ufffd2J"},
		{"\u202eesrever", "\ufffdesrever"},
		{"two\nlines\tof\r", "two lines of "},
		{"nul\x00", "nul\ufffd"},
	} {
		if got := clean(c.text); got != c.want {
			t.Errorf("%q: saw %q, want %q", c.text, got, c.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("Netzteil \xfc \x1b]0;x\x07\u009b\u202e")
	f.Fuzz(func(t *testing.T, text string) {
		got := clean(text)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			t.Errorf("%q: saw %q", text, got)
		}
		if again := clean(got); again != got {
			t.Errorf("%q: saw %q, and %q when it was cleaned again", text, got, again)
		}
	})
}

// hostile is a machine whose drivers give names that are no text.
func hostile() fstest.MapFS {
	tree := fstest.MapFS{}
	set(tree, "proc/stat", "cpu 1 0 1 1 0 0 0 0\ncpu0 1 0 1 1 0 0 0 0")
	set(tree, "proc/meminfo", "MemTotal: 1 kB\nMemAvailable: 1 kB")
	set(tree, "proc/cpuinfo", "model name : Xeon \x1b[2J\xff")
	chip := "sys/class/hwmon/hwmon0/"
	set(tree, chip+"name", "psu\x1b[31m\xfc")
	for _, n := range []string{"1", "2", "3"} {
		set(tree, chip+"power"+n+"_input", n+"000000")
		set(tree, chip+"energy"+n+"_input", n)
		set(tree, chip+"temp"+n+"_input", n+"0000")
	}
	for n, label := range map[string]string{"1": "Netzteil \xfc", "2": "Netzteil \xe4", "3": "Netzteil \x07"} {
		for _, kind := range []string{"power", "energy", "temp"} {
			set(tree, chip+kind+n+"_label", label)
		}
	}
	zone := "sys/class/thermal/thermal_zone0/"
	set(tree, zone+"type", "zone\x1b]0;x\x07")
	set(tree, zone+"temp", "1000")
	for _, name := range []string{"BAT\x1b", "BAT\x07"} {
		battery := "sys/class/power_supply/" + name + "/"
		set(tree, battery+"type", "Battery")
		set(tree, battery+"status", "Discharging")
		set(tree, battery+"power_now", "1000000")
	}
	return tree
}

// What a driver calls its sensors reaches files, terminals and scrapers: it is text there, and no two devices become one.
func TestNamesOfSensorsAreText(t *testing.T) {
	s, err := Open(machine(hostile()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.Sample(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	named := []string{hwmonName, thermalName, batteryName}
	devices := byDevice(t, slices.DeleteFunc(rows, func(r record.Sample) bool { return !slices.Contains(named, r.Source) }))
	var found []string
	for d := range devices {
		found = append(found, d)
		if clean(d) != d {
			t.Errorf("saw device %q", d)
		}
	}
	slices.Sort(found)
	const psu = "psu\ufffd[31m\ufffd/Netzteil \ufffd"
	want := []string{
		"battery:BAT\ufffd", "battery:BAT\ufffd#2", "board:" + psu, "board:" + psu + "#2", "board:" + psu + "#3",
		"thermal:" + psu, "thermal:" + psu + "#2", "thermal:" + psu + "#3", "thermal:zone\ufffd]0;x\ufffd",
	}
	if !slices.Equal(found, want) {
		t.Errorf("saw %q,\nwant %q", found, want)
	}
	for _, r := range devices {
		if strings.HasPrefix(r.Device, "board:") && (r.PowerW == nil || r.EnergyCounterJoules == nil) {
			t.Errorf("%s: saw power %v and counter %v, want both in one row", r.Device, r.PowerW, r.EnergyCounterJoules)
		}
	}
	for _, f := range s.Findings() {
		if clean(f.Detail) != f.Detail || clean(f.Fix) != f.Fix {
			t.Errorf("%s: saw %q, %q", f.Source, f.Detail, f.Fix)
		}
	}
	if text, err := json.Marshal(s.Findings()); err != nil || !utf8.Valid(text) {
		t.Errorf("saw %v: %q", err, text)
	}
}

func TestNamesAreTakenOnce(t *testing.T) {
	seen := names{}
	var got []string
	for _, name := range []string{"a", "a", "a#2", "a"} {
		got = append(got, seen.take(name))
	}
	if want := []string{"a", "a#2", "a#2#2", "a#3"}; !slices.Equal(got, want) {
		t.Errorf("saw %q, want %q", got, want)
	}
}

// A figure below 0 of which there is none is told of, and costs its own column alone: a row that no file takes would end the
// recording of all sources.
func TestHwmonRefusesNegative(t *testing.T) {
	tree := fstest.MapFS{}
	chip := "sys/class/hwmon/hwmon0/"
	set(tree, chip+"name", "amdgpu")
	set(tree, chip+"power1_average", "5000000")
	for _, file := range []string{"power1_cap", "device/gpu_busy_percent", "device/mem_info_vram_used", "freq1_input", "freq2_input"} {
		set(tree, chip+file, "-1")
	}
	src, _, err := openHwmon(machine(tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	rows, err := src.Sample(epoch, nil)
	if err == nil || strings.Count(err.Error(), "saw -1, want an unsigned number") != 5 {
		t.Errorf("saw %v", err)
	}
	if len(rows) != 1 || rows[0].Validate() != nil || rows[0].PowerAvgW == nil || rows[0].PowerLimitW != nil {
		t.Errorf("saw %+v", rows)
	}
}

func TestHostIsText(t *testing.T) {
	for _, host := range []string{"", "host-1", "rechner ü"} {
		if err := (Environment{Host: host}).Validate(); err != nil {
			t.Errorf("%q: saw %v", host, err)
		}
	}
	for _, host := range []string{"\xfc", "a\x1b[2J", "a\nb"} {
		if err := (Environment{Host: host}).Validate(); err == nil || !strings.Contains(err.Error(), "host: saw ") {
			t.Errorf("%q: saw %v", host, err)
		}
	}
}
