package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Progress shows how far long work is: a bar with an ETA on a terminal, plain lines elsewhere, nothing when quiet.
type Progress interface {
	// Step says that the unit of work called done, which was estimated to take est, is done.
	Step(done string, est time.Duration)
	// Done ends the display.
	Done()
}

// NewProgress starts a display on w for work estimated to take total in n steps.
func NewProgress(w io.Writer, label string, n int, total time.Duration, quiet bool) Progress {
	switch {
	case quiet || n == 0:
		return silent{}
	case IsTerminal(w):
		return newBar(w, label, total)
	}
	return &lines{w: w, label: label, n: n, total: total, start: time.Now(), last: time.Now()}
}

type silent struct{}

func (silent) Step(string, time.Duration) {}
func (silent) Done()                      {}

// lines prints a line at most every lineEvery.
type lines struct {
	w           io.Writer
	label       string
	n, done     int
	total, past time.Duration
	start, last time.Time
}

const lineEvery = 10 * time.Second

func (l *lines) Step(done string, est time.Duration) {
	l.done++
	l.past += est
	if l.done != l.n && time.Since(l.last) < lineEvery {
		return
	}
	l.last = time.Now()
	fmt.Fprintf(l.w, "%s: %d/%d%s%s\n", l.label, l.done, l.n, l.eta(), suffix(done))
}

// eta scales the estimate of what is left by how the estimate of what is done held so far.
func (l *lines) eta() string {
	if l.past <= 0 || l.done == l.n {
		return ""
	}
	left := float64(l.total-l.past) * float64(time.Since(l.start)) / float64(l.past)
	return fmt.Sprintf(", about %s left", time.Duration(left).Round(time.Second))
}

func (l *lines) Done() {}

func suffix(done string) string {
	if done == "" {
		return ""
	}
	return ", last " + done
}

// bar is a progress bar whose length is estimated time, so that its ETA holds when steps differ a hundredfold.
type bar struct {
	p    *mpb.Progress
	bar  *mpb.Bar
	name string    // of the last step
	last time.Time // when it ended
}

func newBar(w io.Writer, label string, total time.Duration) *bar {
	b := &bar{p: mpb.New(mpb.WithOutput(w), mpb.WithWidth(40)), last: time.Now()}
	b.bar = b.p.AddBar(max(int64(total), 1),
		mpb.PrependDecorators(decor.Name(label+" ")),
		mpb.AppendDecorators(
			decor.Percentage(),
			decor.Name(" ETA "),
			decor.EwmaETA(decor.ET_STYLE_GO, 30),
			decor.Any(func(decor.Statistics) string { return " " + b.name })))
	return b
}

func (b *bar) Step(done string, est time.Duration) {
	b.name = done
	b.bar.EwmaIncrInt64(int64(est), time.Since(b.last))
	b.last = time.Now()
}

func (b *bar) Done() {
	b.bar.Abort(false) // a bar that is not full, after an interruption or a poor estimate; a full one has ended already
	b.p.Wait()
}
