package cost

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/table"
	"github.com/banterhearts/bh/pkg/units"
)

// EstimateMark follows every figure that rests on an estimated power (energy grade D).
const EstimateMark = "†"

// View is cost rows as people read them: a caption of what all rows share, one table, and notes on what it leaves out.
type View struct {
	Caption string
	Table   table.Table
	Notes   []string
}

// viewColumn is a column of a View. One that is shared goes to the caption while all rows agree on it; one that is minor
// is left out when they do not.
type viewColumn struct {
	name   string
	right  bool
	shared bool
	minor  bool
	value  func(*record.Cost) string
}

var viewColumns = []viewColumn{
	{name: "experiment", shared: true, value: func(r *record.Cost) string { return r.Experiment }},
	{name: "host", shared: true, value: func(r *record.Cost) string { return r.Host }},
	{name: "backend", value: func(r *record.Cost) string { return r.Backend }},
	{name: "model", shared: true, value: func(r *record.Cost) string { return r.Model }},
	{name: "precision", shared: true, value: func(r *record.Cost) string { return r.Precision }},
	{name: "settings", shared: true, value: func(r *record.Cost) string { return r.Settings }},
	{name: "threads", shared: true, value: func(r *record.Cost) string { return threads(r.Threads) }},
	{name: "mode", value: func(r *record.Cost) string { return string(r.Mode) }},
	{name: "scenario", value: func(r *record.Cost) string { return r.Scenario }},
	{name: "n", right: true, value: func(r *record.Cost) string { return strconv.FormatInt(r.N, 10) }},
	{name: "method", shared: true, value: func(r *record.Cost) string { return r.Method }},
	{name: "estimator", shared: true, value: func(r *record.Cost) string { return r.Estimator }},
	{name: "provider", shared: true, value: func(r *record.Cost) string { return r.Provider }},
	{name: "region", shared: true, minor: true, value: func(r *record.Cost) string { return r.Region }},
	{name: "price_date", shared: true, minor: true, value: func(r *record.Cost) string { return r.PriceDate }},
	{name: "tier", shared: true, value: func(r *record.Cost) string { return string(r.Tier) }},
	{name: "throughput_tok_s", right: true, value: func(r *record.Cost) string { return units.G4Ptr(r.ThroughputTokS) }},
	{name: "power_w", right: true, value: func(r *record.Cost) string { return estimated(r, r.PowerW != nil, units.G4Ptr(r.PowerW)) }},
	{name: "energy_grade", value: showGrade},
	{name: "total_usd_per_1m", right: true, value: showTotal},
	{name: "95% interval", value: showInterval},
	{name: "carbon_g_per_1m", right: true, value: func(r *record.Cost) string {
		return estimated(r, r.CarbonGPer1M != nil, units.G4Ptr(r.CarbonGPer1M))
	}},
	{name: "reason", shared: true, value: func(r *record.Cost) string { return r.Reason }},
}

// NewView lays out rows. Rows without a good run and rows of tiers without a price are counted in the notes and left out of
// the table: they would be lines of nothing.
func NewView(rows []record.Cost) View {
	var v View
	var shown []*record.Cost
	noRuns, noPrice := map[string]int{}, map[string]int{}
	marked, partly := false, false
	for i := range rows {
		r := &rows[i]
		switch {
		case r.Reason == ReasonNoOKRuns:
			noRuns[r.Backend]++
		case strings.Contains(r.Reason, ReasonPriceUnknown):
			noPrice[r.Provider+" "+string(r.Tier)]++
		default:
			shown = append(shown, r)
			marked = marked || r.EnergyGrade == record.GradeD && r.PowerW != nil
			partly = partly || partlyPowered(r)
		}
	}
	v.layOut(shown)
	if marked {
		v.Notes = append(v.Notes, EstimateMark+" rests on a power that was estimated, not measured (energy grade D)")
	}
	if partly {
		v.Notes = append(v.Notes, "energy_grade in brackets: how many of the runs have a power; power, energy and carbon are the mean over those")
	}
	v.note(noRuns, "without a good run")
	v.note(noPrice, "without a price in the book")
	return v
}

// layOut fills the caption and the table.
func (v *View) layOut(rows []*record.Cost) {
	var caption []string
	var columns []viewColumn
	for _, c := range viewColumns {
		if c.shared && agree(rows, c.value) {
			if len(rows) > 0 && c.value(rows[0]) != "" {
				caption = append(caption, c.name+" "+c.value(rows[0]))
			}
			continue
		}
		if c.minor {
			continue
		}
		columns = append(columns, c)
		v.Table.Columns = append(v.Table.Columns, c.name)
		v.Table.RightAlign = append(v.Table.RightAlign, c.right)
	}
	v.Caption = strings.Join(caption, ", ")
	for _, r := range rows {
		line := make([]string, len(columns))
		for i, c := range columns {
			line[i] = c.value(r)
		}
		v.Table.Rows = append(v.Table.Rows, line)
	}
}

// note says how many rows are left out and of what.
func (v *View) note(count map[string]int, why string) {
	if len(count) == 0 {
		return
	}
	n := 0
	names := make([]string, 0, len(count))
	for name, k := range count {
		n += k
		names = append(names, name)
	}
	slices.Sort(names)
	v.Notes = append(v.Notes, fmt.Sprintf("rows %s, not shown: %d (%s)", why, n, strings.Join(names, ", ")))
}

func agree(rows []*record.Cost, value func(*record.Cost) string) bool {
	for _, r := range rows {
		if value(r) != value(rows[0]) {
			return false
		}
	}
	return true
}

// WriteText writes the view for a terminal.
func (v View) WriteText(w io.Writer) error { return v.write(w, v.Table.WriteText, "%s\n") }

// WriteMarkdown writes the view as Markdown.
func (v View) WriteMarkdown(w io.Writer) error { return v.write(w, v.Table.WriteMarkdown, "- %s\n") }

// write writes caption, table and notes, an empty line between them; note is the form of one note.
func (v View) write(w io.Writer, draw func(io.Writer) error, note string) error {
	var parts []string
	if v.Caption != "" {
		parts = append(parts, v.Caption+"\n")
	}
	if len(v.Table.Rows) > 0 {
		var b strings.Builder
		if err := draw(&b); err != nil {
			return err
		}
		parts = append(parts, b.String())
	}
	if len(v.Notes) > 0 {
		var b strings.Builder
		for _, n := range v.Notes {
			fmt.Fprintf(&b, note, n)
		}
		parts = append(parts, b.String())
	}
	_, err := io.WriteString(w, strings.Join(parts, "\n"))
	return err
}

func threads(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

// partlyPowered reports whether some runs of a row have a power and others have none.
func partlyPowered(r *record.Cost) bool { return r.PowerW != nil && r.PowerN != nil && *r.PowerN < r.N }

// showGrade is the grade of the power that a row's energy, total and carbon rest on, with the runs that have one where that is
// not all.
func showGrade(r *record.Cost) string {
	switch {
	case r.PowerW == nil:
		return units.Absent
	case partlyPowered(r):
		return fmt.Sprintf("%s (%d of %d runs)", cmp.Or(string(r.EnergyGrade), "none"), *r.PowerN, r.N)
	}
	return cmp.Or(string(r.EnergyGrade), "none")
}

// showTotal marks a total that contains an estimated energy.
func showTotal(r *record.Cost) string {
	return estimated(r, r.TotalUSDPer1M != nil && r.EnergyUSDPer1M != nil, units.G4Ptr(r.TotalUSDPer1M))
}

func showInterval(r *record.Cost) string {
	if r.TotalCILowerUSD == nil || r.TotalCIUpperUSD == nil {
		return units.Absent
	}
	return estimated(r, r.EnergyUSDPer1M != nil, "["+units.G4Ptr(r.TotalCILowerUSD)+", "+units.G4Ptr(r.TotalCIUpperUSD)+"]")
}

// estimated puts the mark after text when the row's power is an estimate and the figure rests on it.
func estimated(r *record.Cost, rests bool, text string) string {
	if rests && r.EnergyGrade == record.GradeD {
		return text + EstimateMark
	}
	return text
}
