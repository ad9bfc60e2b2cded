package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/monitor"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// The intervals of the live view: quick enough to see a peak, slow enough to read.
const (
	topInterval = 100 * time.Millisecond
	topRefresh  = time.Second
)

// topOptions are the settings of top.
type topOptions struct {
	Interval time.Duration // between two sweeps of the sensors
	Refresh  time.Duration // between two views
	Count    int           // of views; 0 goes on until q or Ctrl-C
	Env      telemetry.Environment
	Sensors  telemetry.Options
}

// Validate reports settings that cannot be meant.
func (o topOptions) Validate() error {
	switch {
	case o.Interval < telemetry.MinInterval || o.Interval > telemetry.MaxInterval:
		return badInterval("top", o.Interval)
	case o.Refresh < topInterval:
		return cli.BadInputf("top: --refresh: saw %v, want at least %v", o.Refresh, topInterval)
	case o.Count < 0:
		return cli.BadInputf("top: -n: saw %d, want a count, or 0 for no end", o.Count)
	}
	if err := checkRoot("top", o.Env.Root); err != nil {
		return err
	}
	return cli.BadInput(o.Sensors.Validate())
}

func topCommand(s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "top",
		Usage: "show power, energy, temperature and use of every device, live",
		Description: "Ends with q or Ctrl-C. Where standard output is no terminal it writes a table each time. NO_COLOR is respected;\n" +
			"what is throttled now is red, and what is an estimate is yellow.",
		Flags: append([]urfave.Flag{
			intervalFlag(topInterval),
			&urfave.DurationFlag{Name: "refresh", Value: topRefresh, Usage: "`TIME` between two views"},
			&urfave.IntFlag{Name: "count", Aliases: []string{"n"}, DefaultText: "until q or Ctrl-C", Usage: "end after `COUNT` views"},
		}, sensorFlags()...),
		Action: func(c *urfave.Context) error {
			if c.NArg() > 0 {
				return cli.BadInputf("top: unexpected operand %q", c.Args().First())
			}
			sensors, err := sensorOptions(c)
			if err != nil {
				return err
			}
			opt := topOptions{Interval: c.Duration("interval"), Refresh: c.Duration("refresh"), Count: c.Int("count"),
				Env: environment(c), Sensors: sensors}
			if err := opt.Validate(); err != nil {
				return err
			}
			return top(c.Context, opt, s)
		},
	}
}

// top samples and shows until the user has seen enough.
func top(ctx context.Context, opt topOptions, s cli.Streams) (err error) {
	set, err := openSensors(opt.Env, opt.Sensors, func(format string, a ...any) { fmt.Fprintf(s.Err, tool+": "+format+"\n", a...) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	view, err := newScreen(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, view.restore()) }()
	rec := telemetry.Start(context.WithoutCancel(ctx), set, opt.Interval)
	defer rec.Stop()
	figures, began := monitor.New(), time.Now()
	refresh := time.NewTicker(opt.Refresh)
	defer refresh.Stop()
	for shown := 0; opt.Count == 0 || shown < opt.Count; shown++ {
		select {
		case <-refresh.C:
		case <-view.quit:
			return nil
		case <-ctx.Done():
			return nil // the normal end of a view without one
		}
		figures.Add(rec.Drain()...)
		if err := view.show(monitor.Title(opt.Env.Host, time.Now(), time.Since(began)), figures.Snapshot()); err != nil {
			return err
		}
	}
	return nil
}

// screen is where the views go: a terminal, in which each is painted over the one before, or a stream of tables.
type screen struct {
	out  io.Writer
	top  monitor.Top
	tty  *os.File        // nil for a stream
	quit <-chan struct{} // closed when the user types q or Ctrl-C
	undo func() error
}

// The control sequences of a terminal (ECMA-48; the alternate screen is xterm's).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	eraseLine   = "\x1b[K"
	eraseBelow  = "\x1b[J"
)

func newScreen(s cli.Streams) (*screen, error) {
	v := &screen{out: results(s.Out), undo: func() error { return nil }}
	if !cli.IsTerminal(s.Out) {
		return v, nil
	}
	v.tty, _ = s.Out.(*os.File)
	v.top.Color = cli.UseColor(s.Out)
	if in, ok := s.In.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		before, err := term.MakeRaw(int(in.Fd())) // so that q needs no Enter
		if err != nil {
			return nil, fmt.Errorf("read the keyboard: %w", err)
		}
		v.undo = func() error { return term.Restore(int(in.Fd()), before) }
		v.quit = keys(in)
	}
	_, err := io.WriteString(s.Out, enterScreen)
	return v, err
}

// keys returns a channel that is closed at q or Ctrl-C, which a raw terminal hands over as a key.
func keys(in io.Reader) <-chan struct{} {
	const interrupt = 3
	quit := make(chan struct{})
	go func() {
		key := make([]byte, 1)
		for {
			if _, err := in.Read(key); err != nil || key[0] == 'q' || key[0] == interrupt {
				close(quit)
				return
			}
		}
	}()
	return quit
}

// show paints a view.
func (v *screen) show(title string, s monitor.Snapshot) error {
	v.top.Note(s)
	if v.tty == nil {
		_, err := fmt.Fprintf(v.out, "%s\n\n", strings.Join(v.top.Lines(title, s), "\n"))
		return err
	}
	width, height, err := term.GetSize(int(v.tty.Fd()))
	if err != nil {
		return fmt.Errorf("size of the terminal: %w", err)
	}
	v.top.Width, v.top.Height = width, height
	lines := v.top.Lines(title, s)
	lines = lines[:min(len(lines), height)]
	_, err = io.WriteString(v.out, home+strings.Join(lines, eraseLine+"\r\n")+eraseLine+eraseBelow)
	return err
}

// restore gives the terminal back as it was.
func (v *screen) restore() error {
	if v.tty == nil {
		return nil
	}
	_, err := io.WriteString(v.out, leaveScreen)
	return errors.Join(err, v.undo())
}
