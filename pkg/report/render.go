package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/banterhearts/bh/pkg/cli"
)

// The names of the files of a report.
const (
	MarkdownFile = "report.md"
	HTMLFile     = "report.html"
	SettingsFile = "report.json"
)

// format is an output format.
type format struct {
	name  string // of its file
	write func(io.Writer, *Document) error
}

// formats are all of them, in the order of registration.
var formats []format

// registerFormat adds an output format.
func registerFormat(f format) { formats = append(formats, f) }

// SettingsSchema is the schema of report.json and its version.
const SettingsSchema = "bh.report/1"

// settings is report.json: what a report was made with beyond the artifacts beside it, so that it can be made again.
type settings struct {
	Schema string `json:"schema"`
	Tool   string `json:"tool"` // version line of the bh-report that wrote it
	Title  string `json:"title"`
	Method string `json:"method"`
	// Profile is which report it is; "" in those of earlier versions, which knew one.
	Profile Profile    `json:"profile"`
	Prices  *namedText `json:"prices"` // null: the built-in price book
	Matrix  *namedText `json:"matrix"` // null: the manifest's, where there is one
	Inputs  []Artifact `json:"inputs"` // what it was made from
	Files   []string   `json:"files"`  // what was written beside it
	// Findings are the key findings as plain text.
	Findings []string `json:"findings"`
}

// File is one file of a report.
type File struct {
	Name string // relative to the report's folder, with forward slashes
	Data []byte
}

// Render makes the files of the report about the inputs: every format, and the figures as SVG and PNG. Equal inputs give
// equal files.
func Render(in *Inputs) ([]File, error) {
	doc := Build(in)
	files, err := renderFigures(doc)
	if err != nil {
		return nil, err
	}
	for _, f := range formats {
		var b bytes.Buffer
		if err := f.write(&b, doc); err != nil {
			return nil, fmt.Errorf("render %s: %w", f.name, err)
		}
		files = append(files, File{f.name, b.Bytes()})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// renderFigures draws the figures, as many at a time as there are processors.
func renderFigures(doc *Document) ([]File, error) {
	var figures []Figure
	for _, block := range doc.Blocks {
		if f, ok := block.(Figure); ok {
			figures = append(figures, f)
		}
	}
	files, errs := make([]File, 2*len(figures)), make([]error, len(figures))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i, f := range figures {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			svg, err1 := f.Drawing.SVG()
			png, err2 := f.Drawing.PNG()
			name := FiguresDir + "/" + f.Name
			files[2*i], files[2*i+1] = File{name + ".svg", svg}, File{name + ".png", png}
			errs[i] = errors.Join(err1, err2)
		})
	}
	all.Wait()
	return files, errors.Join(errs...)
}

// settingsOf is what report.json says of a report.
func settingsOf(in *Inputs, files []File) *settings {
	s := &settings{
		Schema: SettingsSchema, Tool: cli.Version(), Title: in.Title, Method: in.Method, Profile: in.Profile,
		Prices: in.prices, Matrix: in.plan, Inputs: in.Artifacts, Files: []string{}, Findings: keyFindings(in),
	}
	for _, f := range files {
		s.Files = append(s.Files, f.Name)
	}
	return s
}

func (s *settings) json() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("%s: %w", SettingsFile, err)
	}
	return b.Bytes(), nil
}
