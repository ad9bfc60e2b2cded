package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	ipmiName  = "ipmi"
	ipmiGrant = "sudo chmod a+rw /dev/ipmi0"
	// ipmiEvery is how often the controller is asked: its own readings are a second old and more.
	ipmiEvery = time.Second
	// ipmiPatience is how long one answer may take. Controllers take from 50 ms to seconds when they are busy.
	ipmiPatience = 10 * time.Second
)

func init() {
	register(member{name: ipmiName, measures: "power of the whole machine at its controller (IPMI/DCMI)", open: openIPMI})
}

// ipmi asks the machine's management controller for its power by `ipmitool dcmi power reading` in the background, as
// device "system". An answer takes longer than a sweep; its row stands at the time at which it came. The mean and the
// span that it is taken over are the controller's (DCMI 1.5, section 6.6.1).
type ipmi struct {
	env Environment
	inbox
	background
}

var (
	_ Source   = (*ipmi)(nil)
	_ Resolver = (*ipmi)(nil)
)

func openIPMI(env Environment, _ Options) (Source, string, error) {
	f, err := env.fsys().Open("dev/ipmi0")
	if err != nil {
		return nil, "", cannotOpen(err, "no /dev/ipmi0: no management controller, or its driver is not loaded", ipmiGrant)
	}
	if err := f.Close(); err != nil {
		return nil, "", err
	}
	tool, err := exec.LookPath("ipmitool")
	if err != nil {
		return nil, "", &unavailable{kind: ErrAbsent, why: "there is /dev/ipmi0, but no ipmitool to ask it with",
			fix: "sudo apt-get install ipmitool"}
	}
	i := &ipmi{env: env}
	first, err := askIPMI(context.Background(), tool, ipmiPatience)
	if err != nil {
		return nil, "", err
	}
	i.put(first)
	i.background = startBackground(ipmiEvery, func(ctx context.Context) {
		r, err := askIPMI(ctx, tool, ipmiPatience)
		switch {
		case ctx.Err() != nil: // it was told to end
		case err != nil:
			i.fail(err)
		default:
			i.put(r)
		}
	})
	return i, fmt.Sprintf("the controller says %.4g W", first.power), nil
}

// askIPMI asks once.
func askIPMI(ctx context.Context, tool string, patience time.Duration) (reading, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	cmd := exec.CommandContext(ctx, tool, "dcmi", "power", "reading")
	cmd.WaitDelay = shellWait
	endTogether(cmd)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return reading{}, fmt.Errorf("ipmitool gave nothing for %v", patience)
	}
	if err == nil {
		return parseDCMI(out)
	}
	said := strings.Join(strings.Fields(clip(string(out))), " ")
	switch {
	case errors.Is(err, fs.ErrPermission), strings.Contains(said, "Permission denied"):
		return reading{}, &unavailable{kind: ErrPermission, why: "ipmitool: " + said, fix: ipmiGrant}
	case strings.Contains(said, "Could not open device"):
		return reading{}, &unavailable{kind: ErrAbsent, why: "ipmitool: " + said}
	case strings.Contains(said, "Invalid command"):
		return reading{}, &unavailable{kind: ErrAbsent, why: "the controller gives no power reading: " + said}
	}
	return reading{}, fmt.Errorf("ipmitool: %w: %s", err, said)
}

// parseDCMI reads what ipmitool prints: lines "Instantaneous power reading:  214 Watts".
func parseDCMI(out []byte) (reading, error) {
	r := reading{at: time.Now()}
	seen := false
	// ipmitool 1.8.19 ends no line behind its timestamp.
	for line := range bytes.Lines(bytes.ReplaceAll(out, []byte("Sampling period"), []byte("\nSampling period"))) {
		key, value, ok := strings.Cut(string(line), ":")
		fields := strings.Fields(value)
		if !ok || len(fields) == 0 {
			continue
		}
		number, err := strconv.ParseFloat(fields[0], 64)
		isNumber := err == nil && number >= 0 && number < 1e9 && len(fields) > 1
		switch key = strings.TrimSpace(key); {
		case key == "Instantaneous power reading" && isNumber && fields[1] == "Watts":
			r.power, seen = units.Watts(number), true
		case key == "Average power reading over sample period" && isNumber && fields[1] == "Watts":
			r.mean = units.Ptr(units.Watts(number))
		case key == "Sampling period" && isNumber:
			r.meanFor = dcmiPeriod(number, fields[1])
		case key == "Power reading state is" && fields[0] != "activated":
			return reading{}, &unavailable{kind: ErrAbsent, why: "the controller's power reading is " + fields[0],
				fix: "sudo ipmitool dcmi power activate"}
		}
	}
	if !seen {
		return reading{}, fmt.Errorf("ipmitool: saw %q, want a line \"Instantaneous power reading: N Watts\"", clip(string(out)))
	}
	return r, nil
}

// dcmiPeriod is the span of the controller's mean. ipmitool prints seconds, and since 1.8.19 milliseconds or more.
func dcmiPeriod(number float64, unit string) time.Duration {
	scale := map[string]time.Duration{"millisecond": time.Millisecond, "second": time.Second, "minute": time.Minute,
		"hour": time.Hour, "day": 24 * time.Hour}[strings.ToLower(strings.TrimRight(unit, "sS."))]
	return time.Duration(number * float64(scale))
}

// Name implements Source.
func (*ipmi) Name() string { return ipmiName }

// Sample implements Source.
func (i *ipmi) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	readings, err := i.take()
	for _, r := range readings {
		s := i.env.sampleAt(now, r.at, ipmiName, "system")
		s.PowerW = units.Ptr(r.power)
		if s.PowerAvgW = r.mean; r.mean != nil && r.meanFor > 0 {
			s.PowerAvgNS = units.Ptr(int64(r.meanFor))
		}
		dst = append(dst, s)
	}
	return dst, err
}

// Resolution implements Resolver.
func (*ipmi) Resolution() map[string]Resolution {
	return map[string]Resolution{"system": {Power: ipmiEvery}}
}

// Close implements Source.
func (i *ipmi) Close() error {
	i.background.close()
	return nil
}
