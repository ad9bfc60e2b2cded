package cli

import (
	"fmt"
	"io"
	"sync"
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
	now := time.Now()
	return &lines{w: w, label: label, n: n, eta: eta{total: total}, stepped: now, said: now}
}

type silent struct{}

func (silent) Step(string, time.Duration) {}
func (silent) Done()                      {}

// lines prints a line at most every lineEvery.
type lines struct {
	w       io.Writer
	label   string
	n, done int
	eta     eta
	stepped time.Time // when the last step ended
	said    time.Time // when the last line was printed
}

const lineEvery = 10 * time.Second

func (l *lines) Step(done string, est time.Duration) {
	now := time.Now()
	l.eta.step(est, now.Sub(l.stepped))
	l.stepped = now
	l.done++
	if l.done != l.n && now.Sub(l.said) < lineEvery {
		return
	}
	l.said = now
	fmt.Fprintf(l.w, "%s: %d/%d%s%s\n", l.label, l.done, l.n, l.left(), suffix(done))
}

func (l *lines) left() string {
	left, ok := l.eta.left()
	if !ok || l.done == l.n {
		return ""
	}
	return fmt.Sprintf(", about %s left", left.Round(time.Second))
}

func (l *lines) Done() {}

func suffix(done string) string {
	if done == "" {
		return ""
	}
	return ", last " + done
}

// bar is a progress bar whose length is estimated time, so that it moves evenly when steps differ a hundredfold.
type bar struct {
	p   *mpb.Progress
	bar *mpb.Bar

	mu   sync.Mutex // the bar is drawn while steps are taken note of
	eta  eta
	name string    // of the last step
	last time.Time // when it ended
}

func newBar(w io.Writer, label string, total time.Duration) *bar {
	b := &bar{p: mpb.New(mpb.WithOutput(w), mpb.WithWidth(40)), eta: eta{total: total}, last: time.Now()}
	b.bar = b.p.AddBar(max(int64(total), 1),
		mpb.PrependDecorators(decor.Name(label+" ")),
		mpb.AppendDecorators(decor.Percentage(), decor.Any(func(decor.Statistics) string { return b.text() })))
	return b
}

// text is what stands after the bar.
func (b *bar) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	left, ok := b.eta.left()
	if !ok {
		return " " + b.name
	}
	left = max(left-time.Since(b.last), 0)
	return fmt.Sprintf(" ETA %s %s", left.Round(time.Second), b.name)
}

func (b *bar) Step(done string, est time.Duration) {
	now := time.Now()
	b.mu.Lock()
	b.eta.step(est, now.Sub(b.last))
	b.name, b.last = done, now
	b.mu.Unlock()
	b.bar.IncrInt64(int64(est))
}

func (b *bar) Done() {
	b.bar.Abort(false) // a bar that is not full, after an interruption or a poor estimate; a full one has ended already
	b.p.Wait()
}
