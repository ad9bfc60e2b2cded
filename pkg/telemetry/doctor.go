package telemetry

import (
	"fmt"
	"io"
	"strings"
)

// WriteFindings writes findings for people: a line for each source, and below it why and what to do.
func WriteFindings(w io.Writer, findings []Finding) error {
	name, status := 0, 0
	for _, f := range findings {
		name, status = max(name, len(f.Source)), max(status, len(f.Status))
	}
	indent := strings.Repeat(" ", name+status+4)
	for _, f := range findings {
		text := fmt.Sprintf("%-*s  %-*s  %s\n", name, f.Source, status, f.Status, f.Measures)
		if f.Detail != "" {
			text += indent + f.Detail + "\n"
		}
		if f.Fix != "" {
			text += indent + "try: " + f.Fix + "\n"
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}
