package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

// Top draws the live view of a recording as lines of text. It is told each snapshot that it shows, and keeps a short
// history of them.
type Top struct {
	Width, Height int  // of the terminal in characters; 0 has no limit
	Color         bool // with ANSI colours

	history map[deviceKey][]float64
}

// historyLength is how many points of a history are kept and drawn at most.
const historyLength = 30

// topColumn is one column of the view.
type topColumn struct {
	title string
	right bool
	keep  int // of columns that do not fit, those with the lowest go first
	cell  func(d *Device) string
}

var topColumns = []topColumn{
	{"device", false, 100, func(d *Device) string { return d.Name }},
	{"source", false, 20, func(d *Device) string { return d.Source }},
	{"now", true, 90, func(d *Device) string { return marked(d, unit(d.PowerW, "W")) }},
	{"mean", true, 60, func(d *Device) string { return marked(d, unit(d.MeanW, "W")) }},
	{"peak", true, 50, func(d *Device) string { return marked(d, unit(d.PeakW, "W")) }},
	{"limit", true, 15, func(d *Device) string { return unit(d.Last.PowerLimitW, "W") }},
	{"energy", true, 80, func(d *Device) string { return marked(d, unit(d.EnergyJ, "J")) }},
	{"temp", true, 70, func(d *Device) string { return unit(d.Last.TempC, "°C") }},
	{"busy", true, 65, func(d *Device) string { return unit(d.Last.UtilPct, "%") }},
	{"clock", true, 40, func(d *Device) string { return unit(d.Last.ClockMHz, "MHz") }},
	{"memory", true, 55, memoryCell},
	{"throttled", false, 75, throttleCell},
}

// dagger marks what is estimated, however narrow the view is.
const dagger = "†"

func marked(d *Device, cell string) string {
	if !d.Estimated || cell == "" {
		return cell
	}
	return cell + dagger
}

func memoryCell(d *Device) string {
	used, total := d.Last.MemUsedBytes, d.Last.MemTotalBytes
	switch {
	case used == nil:
		return ""
	case total == nil:
		return used.String()
	}
	return used.String() + " of " + total.String()
}

func throttleCell(d *Device) string {
	switch {
	case d.Last.Throttle != "":
		return "now: " + d.Last.Throttle
	case d.ThrottledS != nil && *d.ThrottledS > 0:
		return span(*d.ThrottledS)
	}
	return ""
}

// Note adds a snapshot to the history.
func (t *Top) Note(s Snapshot) {
	if t.history == nil {
		t.history = map[deviceKey][]float64{}
	}
	for i := range s.Devices {
		d := &s.Devices[i]
		if v := level(d); v != nil {
			key := deviceKey{d.Host, d.Source, d.Name}
			h := append(t.history[key], *v)
			t.history[key] = h[max(0, len(h)-historyLength):]
		}
	}
}

// level is what the history of a device shows: its power, or how busy it is where that is not known.
func level(d *Device) *float64 {
	if d.PowerW != nil {
		return scaled(d.PowerW, 1)
	}
	return scaled(d.Last.UtilPct, 1)
}

// Lines are the view under a title: a table of the devices that fits the terminal, and how the recorder does.
func (t *Top) Lines(title string, s Snapshot) []string {
	rows := slices.DeleteFunc(slices.Clone(s.Devices), func(d Device) bool { return !shows(&d) })
	footer := []string{""}
	if slices.ContainsFunc(rows, func(d Device) bool { return d.Estimated }) {
		footer = append(footer, dagger+" estimated, not measured (grade D)")
	}
	footer = append(footer, strings.Split(s.Recorder.String(), "\n")...)
	hidden := 0
	if room := t.Height - len(footer) - 4; t.Height > 0 && len(rows) > max(room, 1) {
		hidden = len(rows) - max(room, 1)
		rows = rows[:max(room, 1)]
	}
	lines := append([]string{t.paint(t.cut(title), text.Bold), ""}, t.table(rows)...)
	if hidden > 0 {
		lines = append(lines, t.cut(fmt.Sprintf("and %d more: the window is too low for them", hidden)))
	}
	for _, line := range footer {
		lines = append(lines, t.paint(t.cut(line), text.Faint))
	}
	return lines
}

// shows reports whether a column has something of a device.
func shows(d *Device) bool {
	return slices.ContainsFunc(topColumns[2:], func(c topColumn) bool { return c.cell(d) != "" })
}

// table draws the devices, with as many columns as fit.
func (t *Top) table(devices []Device) []string {
	cells, widths := t.cells(devices)
	kept := t.fitting(widths)
	lines := make([]string, 0, len(devices)+1)
	for i, row := range cells {
		var parts []string
		for _, c := range kept {
			cell := row[c]
			if pad := widths[c] - text.StringWidthWithoutEscSequences(cell); topColumns[c].right {
				cell = strings.Repeat(" ", pad) + cell
			} else {
				cell += strings.Repeat(" ", pad)
			}
			parts = append(parts, cell)
		}
		line := t.cut(strings.Join(parts, "  "))
		if room := t.Width - text.StringWidthWithoutEscSequences(line) - 2; i > 0 && (t.Width == 0 || room > 0) {
			line += "  " + spark(t.points(&devices[i-1], room), peakLevel(&devices[i-1]))
		}
		line = strings.TrimRight(line, " ")
		switch {
		case i == 0:
			line = t.paint(line, text.Underline)
		case devices[i-1].Last.Throttle != "":
			line = t.paint(line, text.FgRed)
		case devices[i-1].Estimated:
			line = t.paint(line, text.FgYellow)
		}
		lines = append(lines, line)
	}
	return lines
}

// cells are the texts of the table, the titles first, and how wide each column is; a column without any text has none.
func (t *Top) cells(devices []Device) (cells [][]string, widths []int) {
	cells, widths = make([][]string, len(devices)+1), make([]int, len(topColumns))
	for c, column := range topColumns {
		cells[0] = append(cells[0], column.title)
		for i := range devices {
			cell := column.cell(&devices[i])
			if column.title == "source" && devices[i].Estimated {
				cell += " (grade D)"
			}
			cells[i+1] = append(cells[i+1], cell)
			if cell != "" {
				widths[c] = max(widths[c], text.StringWidthWithoutEscSequences(cell), len(column.title))
			}
		}
	}
	return cells, widths
}

// fitting are the columns that fit the width, by index: those with text, less the ones that matter least.
func (t *Top) fitting(widths []int) []int {
	var kept []int
	total := -2
	for c, w := range widths {
		if w > 0 {
			kept = append(kept, c)
			total += w + 2
		}
	}
	for t.Width > 0 && total > t.Width && len(kept) > 1 {
		least := slices.MinFunc(kept, func(a, b int) int { return topColumns[a].keep - topColumns[b].keep })
		total -= widths[least] + 2
		kept = slices.DeleteFunc(kept, func(c int) bool { return c == least })
	}
	return kept
}

// points are the latest of a device's history, as many as there is room for.
func (t *Top) points(d *Device, room int) []float64 {
	h := t.history[deviceKey{d.Host, d.Source, d.Name}]
	if t.Width > 0 {
		h = h[max(0, len(h)-room):]
	}
	return h
}

// peakLevel is the top of a device's history: its highest power, or 100 %.
func peakLevel(d *Device) float64 {
	if d.PowerW == nil {
		return 100
	}
	peak := *d.PowerW
	if d.PeakW != nil {
		peak = max(peak, *d.PeakW)
	}
	return max(float64(peak), 1) // a watt, lest noise around nothing fills the view
}

var sparks = []rune("▁▂▃▄▅▆▇█")

// spark draws values between 0 and top as blocks.
func spark(values []float64, top float64) string {
	var b strings.Builder
	for _, v := range values {
		i := int(v / top * float64(len(sparks)))
		b.WriteRune(sparks[min(max(i, 0), len(sparks)-1)])
	}
	return b.String()
}

// cut makes a line fit the width.
func (t *Top) cut(line string) string {
	if t.Width == 0 {
		return line
	}
	return text.Trim(line, t.Width)
}

func (t *Top) paint(line string, c text.Color) string {
	if !t.Color || line == "" {
		return line
	}
	return "\x1b[" + fmt.Sprint(int(c)) + "m" + line + "\x1b[0m"
}

// Title is the first line of the view.
func Title(host string, now time.Time, running time.Duration) string {
	return fmt.Sprintf("%s  %s  sampling for %s", host, now.Format(time.DateTime), span(running.Seconds()))
}
