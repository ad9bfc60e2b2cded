package monitor

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/table"
	"github.com/banterhearts/bh/pkg/units"
)

// Summary is what a recording comes to.
type Summary struct {
	Files    []string        `json:"files"`
	CutOff   []string        `json:"cut_off,omitempty"` // what is missing of which file
	Recorder Recorder        `json:"recorder"`
	Others   []Recorder      `json:"other_recorders,omitempty"` // where samples are of several hosts
	Devices  []DeviceSummary `json:"devices"`
	Marked   bool            `json:"idle_windows"`
}

// DeviceSummary is the figures of a device with the grade of its energy; without energy there is none.
type DeviceSummary struct {
	Device
	Grade
}

// Summarize is the summary of what a Monitor and a Grader have seen.
func Summarize(m *Monitor, g *Grader) Summary {
	snap, grade := m.Snapshot(), g.Finish()
	s := Summary{Recorder: snap.Recorder, Others: snap.Others, Marked: snap.Marked}
	for i := range snap.Devices {
		d := DeviceSummary{Device: snap.Devices[i]}
		d.grade(grade(&d.Device))
		s.Devices = append(s.Devices, d)
	}
	return s
}

// grade takes over what the readings alone are worth.
func (d *DeviceSummary) grade(g Grade) {
	switch {
	case d.EnergyJ != nil:
		d.Grade = g
		if d.ErrorJ != nil && d.late > 0 {
			d.ErrorJ = units.Ptr(*d.ErrorJ + d.late)
		}
		if d.StoppedS > 0 {
			d.doubt(energy.Gap)
		}
		if d.fell {
			d.doubt(energy.CounterReset)
			d.ErrorJ = nil // how far it had risen since the reading before is not known
		}
		if d.stands != "" {
			d.doubt(d.stands)
			d.ErrorJ = nil // what was drawn meanwhile is not known
		}
		d.instead()
		if d.Grade.Grade != record.GradeD && d.loose(*d.EnergyJ, d.Method) {
			d.doubt(energy.ErrorBound)
		}
	case d.absent != "":
		d.Grade.Reasons = []string{d.absent}
	}
	if d.restful != "" {
		d.Grade.Reasons = append(d.Grade.Reasons, d.restful)
	}
	if d.Grade.Grade != record.GradeD { // whose first reason is that it is estimated
		slices.Sort(d.Grade.Reasons)
	}
}

// instead says why the energy is not of the counter, or not of power, where one was read.
func (d *DeviceSummary) instead() {
	if d.absent == "" || d.Grade.Grade == record.GradeD {
		return
	}
	d.Grade.Grade = max(d.Grade.Grade, record.GradeB)
	d.Grade.Reasons = append(slices.DeleteFunc(d.Grade.Reasons, func(r string) bool { return r == energy.PowerOnly }), d.absent)
}

// WriteText writes the summary for people: devices with power, then the others, then the recorder.
func (s Summary) WriteText(w io.Writer) error {
	if _, err := fmt.Fprintln(w, strings.Join(s.Files, ", ")); err != nil {
		return err
	}
	power := table.Table{Columns: []string{"device", "source", "duration", "samples", "energy", "± bound", "grade", "mean", "peak",
		"throttled"}}
	if s.Marked {
		power.Columns = append(power.Columns, "idle", "marginal")
	}
	power.Columns = append(power.Columns, "why")
	power.RightAlign = []bool{false, false, true, true, true, true, false, true, true, true, s.Marked, s.Marked}
	state := table.Table{Columns: []string{"device", "source", "samples", "gaps", "temp mean", "temp peak", "busy", "memory peak"},
		RightAlign: []bool{false, false, true, true, true, true, true, true}}
	for i := range s.Devices {
		if d := &s.Devices[i]; d.EnergyJ != nil || d.PeakW != nil || d.IdleW != nil || d.absent != "" {
			power.Rows = append(power.Rows, append([]string{s.name(d)}, d.powerRow(s.Marked)...))
		}
		if row := s.Devices[i].stateRow(); row != nil {
			state.Rows = append(state.Rows, append([]string{s.name(&s.Devices[i])}, row...))
		}
	}
	if len(power.Rows) == 0 {
		if _, err := fmt.Fprintln(w, "\nno power of anything was recorded"); err != nil {
			return err
		}
	}
	for _, t := range []table.Table{power, state} {
		if len(t.Rows) == 0 {
			continue
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		if err := t.WriteText(w); err != nil {
			return err
		}
	}
	return s.writeRecorders(w)
}

// writeRecorders tells of the recorders, and where there are several, whose each is.
func (s Summary) writeRecorders(w io.Writer) error {
	for _, r := range append([]Recorder{s.Recorder}, s.Others...) {
		whose := ""
		if len(s.Others) > 0 {
			whose = r.Host + ": "
		}
		if r.IdleS > 0 {
			if _, err := fmt.Fprintf(w, "\n%swithout the %s in which the machine was left alone\n", whose, span(r.IdleS)); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "\n%s%s\n", whose, r); err != nil {
			return err
		}
	}
	return nil
}

// name is what a device is called, with its host where there are several.
func (s Summary) name(d *DeviceSummary) string {
	if slices.ContainsFunc(s.Devices, func(o DeviceSummary) bool { return o.Host != d.Host }) {
		return d.Host + "/" + d.Name
	}
	return d.Name
}

// powerRow is what stands behind the device's name.
func (d *DeviceSummary) powerRow(marked bool) []string {
	length := d.SpanS
	if d.EnergyJ != nil {
		length = d.EnergyS
	}
	row := []string{d.Source, span(length), fmt.Sprint(d.Samples), unit(d.EnergyJ, "J"), unit(d.ErrorJ, "J"),
		string(d.Grade.Grade), unit(d.MeanW, "W"), unit(d.PeakW, "W"), d.throttledShare()}
	if marked {
		row = append(row, unit(d.IdleW, "W"), unit(d.MarginalJ, "J"))
	}
	return append(row, strings.Join(d.Grade.Reasons, ", "))
}

func (d *DeviceSummary) throttledShare() string {
	switch {
	case d.ThrottledS == nil:
		return "n/a"
	case d.SpanS == 0 || *d.ThrottledS == 0:
		return "0 %"
	}
	return fmt.Sprintf("%.3g %%", 100**d.ThrottledS/d.SpanS)
}

// stateRow is what stands behind the device's name, nil for a device of which nothing but power is known.
func (d *DeviceSummary) stateRow() []string {
	if d.MeanTempC == nil && d.MeanUtilPct == nil && d.PeakMem == nil {
		return nil
	}
	gaps := "0"
	if d.Gaps > 0 {
		gaps = fmt.Sprintf("%d, %s", d.Gaps, span(d.GapS))
	}
	memory := ""
	if d.PeakMem != nil {
		memory = d.PeakMem.String()
	}
	return []string{d.Source, fmt.Sprint(d.Samples), gaps, unit(d.MeanTempC, "°C"), unit(d.PeakTempC, "°C"),
		unit(d.MeanUtilPct, "%"), memory}
}

// unit formats a quantity; nothing for nil.
func unit[T ~float64](v *T, name string) string {
	if v == nil {
		return ""
	}
	return units.G4(float64(*v)) + " " + name
}

// span formats seconds as people read them.
func span(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", s)
	}
	return fmt.Sprintf("%.3g ms", s*1000)
}

// String tells of the recorder in one or two lines.
func (r Recorder) String() string {
	if !r.Known {
		return "the recording does not tell of its recorder"
	}
	text := fmt.Sprintf("recorder: %d sweeps in %s, %d missed", r.Sweeps, span(r.SpanS), r.Missed)
	if r.LateP50S != nil && r.LateP99S != nil && r.LateMaxS != nil {
		if r.Missed > 0 {
			text += ", stops included; the others"
		} else {
			text += ";"
		}
		text += fmt.Sprintf(" late by %s (half of them), %s (99%%), %s (most)", span(*r.LateP50S), span(*r.LateP99S), span(*r.LateMaxS))
	}
	if r.SweepMeanS != nil {
		text += fmt.Sprintf("; %s a sweep", span(*r.SweepMeanS))
	}
	if r.CPUPct != nil && r.SpanS >= 1 { // over less, beginning and ending are most of it
		text += fmt.Sprintf("\nits process took %.3g%% of a processor", *r.CPUPct)
		if r.Wakeups != nil {
			text += fmt.Sprintf(" and woke up %.3g times a second", float64(*r.Wakeups)/r.SpanS)
		}
	}
	if r.WallStepsS > 0 {
		text += fmt.Sprintf("\nthe wall clock was set meanwhile, by %s in all", span(r.WallStepsS))
	}
	return text
}

var _ fmt.Stringer = Recorder{}
