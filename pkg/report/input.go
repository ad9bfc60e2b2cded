package report

import (
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/roofline"
)

// Inputs is all that a report is made from. Equal inputs give an equal report, byte by byte.
type Inputs struct {
	Title       string
	Method      string // assumption set of the cost rows that section 4 shows
	Profile     Profile
	Cells       []record.Cell
	CellsName   string // the file that Cells were read from or summarised from, seen from the report's folder, like all names
	FromRuns    bool   // Cells were summarised from run records; false for an archive of cells
	Runs        RunFacts
	Costs       []record.Cost // of every method
	CostsName   string
	Stats       *compare.Document
	StatsName   string
	Book        *cost.Book
	BookName    string
	Matrix      *matrix.Matrix        // nil where none is known
	Manifest    *manifest.Manifest    // nil where there is none
	Sensors     []SensorFacts         // what telemetry read, by source and device; nil where there is no file of samples
	Calibration *roofline.Calibration // the machine's roofs; nil where they were not measured
	Timeline    *timeline             // what telemetry read, by time; nil where there is no file of samples
	Recorder    recorderFacts         // what the recorder told of itself
	Artifacts   []Artifact            // the files read, with the hashes they had
	Rejected    []string              // what was wrong with rows that could not be taken

	prices, plan *namedText // what Book and Matrix were read from; nil for the built-in book and the manifest's matrix
	rejected     []string   // one line for each file with rejected rows
}

// RunFacts are what the report says of single runs. It is zero for an archive of cells.
type RunFacts struct {
	GCKnown      int                               // good runs that say whether a garbage collection fell into their window
	GCSeen       int                               // those with one
	ToolGapNS    []int64                           // time the tool itself took between two runs of a worker
	PowerSamples []int64                           // power readings in each window
	Iterations   []int64                           // repetitions of the work in each window
	Outputs      map[OutputKey]map[string][]string // backends by hash of their output, for each task

	samples   map[sampleKey]*sample
	resources map[resourceKey]*resources
	windows   map[string][]span // by host
	subjects  []subject         // that ran, in order of appearance
}

// sampleKey is a backend as it was set up, in one mode.
type sampleKey struct {
	subject subject
	mode    record.Mode
}

// sample is the good runs of one, in ms.
type sample struct{ latency, ttft []float64 }

// OutputKey is a task that must give the same tokens on every backend that runs the same weights.
type OutputKey struct {
	Model    string
	Mode     record.Mode
	Scenario string
}

// SensorFacts sum up what one telemetry source read from one device.
type SensorFacts struct {
	Source, Device  string
	Samples         int
	Power           int // samples with a power or an energy counter
	FirstNS, LastNS int64
}

// Artifact is a file that the report was made from.
type Artifact struct {
	Path   string `json:"path"` // relative to the report's folder
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// Partial is nil, or the error for exit code cli.ExitPartial: the report is written, but rows of an artifact could not be
// taken. Runs that are degraded are no reason for it: the report says all there is to say of them.
func (in *Inputs) Partial() error {
	if len(in.rejected) == 0 {
		return nil
	}
	return cli.Partialf("%s", strings.Join(in.rejected, "; "))
}
