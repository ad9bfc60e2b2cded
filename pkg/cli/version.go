package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is set by the linker: -ldflags "-X github.com/banterhearts/bh/pkg/cli.release=v0.1.0".
var release = "dev"

// Revision is the git revision that the binary was built from, with "+dirty" when the tree had changes; it is empty when
// the build carried none. The Makefile passes it, as `go build -buildvcs` fails where git refuses the checkout's owner.
var revision = ""

// Revision returns the git revision of the build, or "unknown".
func Revision() string {
	if revision != "" {
		return revision
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "unknown"
}

// Version is the line that --version prints.
func Version() string {
	return fmt.Sprintf("%s (%s, %s %s/%s)", release, Revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
