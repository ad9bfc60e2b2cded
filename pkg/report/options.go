package report

import (
	"path/filepath"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/cost"
)

// Defaults of Options.
const (
	DefaultDir   = "results/tr119"
	DefaultTitle = "Technical Report 119: cost and energy of local inference"
)

// DefaultMethod is the assumption set that section 4 shows.
var DefaultMethod = cost.MethodDefault.Name

// Options say what a report is made of.
type Options struct {
	Dir     string   // folder of the artifacts; "" means DefaultDir
	Prices  string   // price book, for the request mix, the plan of ownership and the origin of prices; "": the built-in one
	Matrix  string   // matrix file, which has to be that of the manifest; "": the one in the manifest, where there is one
	Method  string   // assumption set of the cost rows that section 4 shows; "" means DefaultMethod
	Profile Profile  // which report it is; "" means DefaultProfile
	Output  string   // folder that the report is written to; "" means Dir
	Title   string   // "" means the profile's
	Command []string // the command line, for the manifest
}

// Validate fills the zero values with their defaults. A folder of artifacts that is not there shows when it is read.
func (o *Options) Validate() error {
	if o.Profile == "" {
		o.Profile = DefaultProfile
	}
	if err := o.Profile.validate(); err != nil {
		return err
	}
	for _, f := range []struct {
		value    *string
		fallback string
	}{{&o.Dir, DefaultDir}, {&o.Method, DefaultMethod}, {&o.Title, titles[o.Profile]}} {
		if *f.value == "" {
			*f.value = f.fallback
		}
	}
	if o.Output == "" {
		o.Output = o.Dir
	}
	if ext := filepath.Ext(o.Output); ext == ".md" || ext == ".html" {
		return cli.BadInputf("output %s: want a folder: the report is several files", o.Output)
	}
	return nil
}
