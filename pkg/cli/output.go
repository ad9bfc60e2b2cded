package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// UseColor reports whether w may be written to in colour: a terminal, and NO_COLOR (https://no-color.org) not set.
func UseColor(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && IsTerminal(w)
}
