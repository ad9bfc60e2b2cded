package table

import (
	"errors"
	"strings"
	"testing"
)

var example = Table{
	Columns:    []string{"backend", "lat_mean_ms", "reason"},
	Rows:       [][]string{{"onnxruntime-cpu", "38.37", ""}, {"tensorrt", "n/a", "no_gpu|no_driver"}, {"short"}},
	RightAlign: []bool{false, true},
}

func TestWriteText(t *testing.T) {
	want := `backend          lat_mean_ms  reason
────────────────────────────────────────────────
onnxruntime-cpu        38.37
tensorrt                 n/a  no_gpu|no_driver
short
`
	var b strings.Builder
	if err := example.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("the table has colour in it")
	}
}

func TestWriteMarkdown(t *testing.T) {
	want := `| backend | lat_mean_ms | reason |
|:--- | ---:|:--- |
| onnxruntime-cpu | 38.37 |  |
| tensorrt | n/a | no_gpu\|no_driver |
| short |  |  |
`
	var b strings.Builder
	if err := example.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// TestWide: characters that take two columns of a terminal do not shift the columns after them.
func TestWide(t *testing.T) {
	var b strings.Builder
	if err := (Table{Columns: []string{"a", "b"}, Rows: [][]string{{"日本", "x"}, {"abcd", "y"}}}).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if lines[2] != "日本  x" || lines[3] != "abcd  y" {
		t.Errorf("got %q", lines)
	}
}

func TestMarkdownLineBreak(t *testing.T) {
	var b strings.Builder
	if err := (Table{Columns: []string{"a"}, Rows: [][]string{{"x\ny"}}}).WriteMarkdown(&b); err != nil || !strings.Contains(b.String(), "| x<br/>y |") {
		t.Errorf("%v: got %q", err, b.String())
	}
}

func TestEmpty(t *testing.T) {
	var b strings.Builder
	if err := (Table{Columns: []string{"a", "b"}}).WriteMarkdown(&b); err != nil || b.String() != "| a | b |\n|:--- |:--- |\n" {
		t.Errorf("%v: got %q", err, b.String())
	}
}

type broken struct{}

var errBroken = errors.New("broken")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteError(t *testing.T) {
	if err := example.WriteText(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	if err := example.WriteMarkdown(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}
