//go:build unix

package telemetry

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// fakeIPMITool puts a shell script on the path, with nothing else there but what a script needs.
func fakeIPMITool(t *testing.T, script string) {
	t.Helper()
	folder := t.TempDir()
	if script != "" {
		if err := os.WriteFile(filepath.Join(folder, "ipmitool"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder+":/usr/bin:/bin")
	if script == "" {
		t.Setenv("PATH", folder)
	}
}

// dcmiReading is what ipmitool 1.8.18 prints, with a blank line before and after.
const dcmiReading = `
    Instantaneous power reading:                   220 Watts
    Minimum during sampling period:                 18 Watts
    Maximum during sampling period:                438 Watts
    Average power reading over sample period:      219 Watts
    IPMI timestamp:                           Thu Mar 28 13:06:45 2024
    Sampling period:                          00000005 Seconds.
    Power reading state is:                   activated

`

// dcmiReading1819 is what that of Debian 12 prints, version 1.8.19-4+deb12u2.
const dcmiReading1819 = `
    Instantaneous power reading:                   320 Watts
    Minimum during sampling period:                100 Watts
    Maximum during sampling period:                900 Watts
    Average power reading over sample period:      287 Watts
    IPMI timestamp:                           11/14/23 22:13:20 UTC    Sampling period:                          00000005 Seconds.
    Power reading state is:                   activated

`

func ipmiTree() fstest.MapFS {
	tree := fstest.MapFS{}
	set(tree, "dev/ipmi0", "")
	return tree
}

func TestIPMI(t *testing.T) {
	count := filepath.Join(t.TempDir(), "n")
	fakeIPMITool(t, `test "$*" = "dcmi power reading" || exit 9
n=$(cat `+count+` 2>/dev/null || echo 0); echo $((n+1)) > `+count+`
test $n -eq 1 && { echo " DCMI request failed because: Node busy (c0)" >&2; exit 1; }
cat <<'END'`+dcmiReading+`END`)
	src, detail, err := openIPMI(machine(ipmiTree()), Options{})
	if err != nil || detail != "the controller says 220 W" {
		t.Fatalf("saw %q, %v", detail, err)
	}
	defer src.Close()
	if src.Name() != ipmiName {
		t.Errorf("saw name %q", src.Name())
	}
	before := time.Now().UnixNano()
	_, _, err = await(t, src, 2) // the first reading, and then one that fails
	if err == nil || !strings.Contains(err.Error(), "Node busy") {
		t.Errorf("saw %v, want what the controller said", err)
	}
	var last int64
	for begin := time.Now(); last == 0 && time.Since(begin) < 20*time.Second; time.Sleep(5 * time.Millisecond) {
		for _, s := range read(t, src, time.Now()) {
			if s.Device != "system" || *s.PowerW != 220 || *s.PowerAvgW != 219 || deref(s.PowerAvgNS) != 5e9 {
				t.Errorf("saw %+v", s)
			}
			last = s.TSUnixNS
		}
	}
	if last < before {
		t.Errorf("saw a reading of %d, want one after %d", last, before)
	}
	if r := src.(Resolver).Resolution()["system"]; r.Power != time.Second {
		t.Errorf("resolution: saw %+v", r)
	}
}

func TestIPMIUnavailable(t *testing.T) {
	for _, c := range []struct {
		name, script string
		kind         error // nil for a failure
		want         string
	}{
		{"no tool", "", ErrAbsent, "run: sudo apt-get install ipmitool"},
		{"no access", "echo 'Could not open device at /dev/ipmi0 or /dev/ipmi/0: Permission denied' >&2; exit 1", ErrPermission,
			"run: sudo chmod a+rw /dev/ipmi0"},
		{"no driver", "echo 'Could not open device at /dev/ipmi0: No such file or directory' >&2; exit 1", ErrAbsent, "Could not open"},
		{"no DCMI", "echo 'DCMI request failed because: Invalid command (c1)' >&2; exit 1", ErrAbsent,
			"the controller gives no power reading: DCMI request failed because: Invalid command (c1)"},
		{"turned off", "echo 'Instantaneous power reading: 0 Watts'; echo 'Power reading state is: deactivated'", ErrAbsent,
			"run: sudo ipmitool dcmi power activate"},
		{"another format", "echo 'Power: lots'", nil, `saw "Power: lots\n", want a line`},
		{"another failure", "echo oops >&2; exit 3", nil, "exit status 3: oops"},
	} {
		fakeIPMITool(t, c.script)
		_, _, err := openIPMI(machine(ipmiTree()), Options{})
		isKind := errors.Is(err, ErrAbsent) || errors.Is(err, ErrPermission)
		if err == nil || isKind != (c.kind != nil) || c.kind != nil && !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: saw %v, want %v: %s", c.name, err, c.kind, c.want)
		}
	}
	if _, _, err := openIPMI(machine(fstest.MapFS{}), Options{}); !errors.Is(err, ErrAbsent) {
		t.Errorf("no device: saw %v, want absent", err)
	}
	if _, _, err := openIPMI(machine(denied{ipmiTree(), "ipmi0"}), Options{}); !errors.Is(err, ErrPermission) {
		t.Errorf("denied: saw %v, want permission", err)
	}
}

func TestIPMIHangs(t *testing.T) {
	fakeIPMITool(t, "sleep 100")
	_, err := askIPMI(context.Background(), "ipmitool", 200*time.Millisecond)
	if err == nil || err.Error() != "ipmitool gave nothing for 200ms" {
		t.Errorf("saw %v", err)
	}
}

func TestParseDCMI(t *testing.T) {
	for _, c := range []struct {
		text    string
		power   float64
		mean    float64 // 0 for none
		meanFor time.Duration
	}{
		{dcmiReading, 220, 219, 5 * time.Second},
		{"Instantaneous power reading              : 214      Watts\nAverage power reading over sample period : 184      Watts\n" +
			"Sampling period                          : 1000 Milliseconds\nPower reading state is : activated\n", 214, 184, time.Second},
		{dcmiReading1819, 320, 287, 5 * time.Second},
		{"Instantaneous power reading: 98 Watts\nSampling period: 3 Fortnights\n", 98, 0, 0},
	} {
		got, err := parseDCMI([]byte(c.text))
		mean := 0.0
		if got.mean != nil {
			mean = float64(*got.mean)
		}
		if err != nil || float64(got.power) != c.power || mean != c.mean || got.meanFor != c.meanFor {
			t.Errorf("saw %+v, %v, want %v W, %v W over %v", got, err, c.power, c.mean, c.meanFor)
		}
	}
	for _, text := range []string{"", "Instantaneous power reading: Watts", "Instantaneous power reading: -5 Watts",
		"Instantaneous power reading: 5 BTU/hr"} {
		if _, err := parseDCMI([]byte(text)); err == nil || !slices.Contains(strings.Fields(err.Error()), "want") {
			t.Errorf("%q: saw %v, want an error", text, err)
		}
	}
}

func FuzzParseDCMI(f *testing.F) {
	f.Add([]byte(dcmiReading))
	f.Fuzz(func(t *testing.T, out []byte) {
		if r, err := parseDCMI(out); err == nil && !(r.power >= 0) {
			t.Errorf("saw %+v", r)
		}
	})
}
