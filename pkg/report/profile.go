package report

import (
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
)

// Profile is which technical report is written: its questions, and so its sections, findings and title. What every report
// has (definitions, method, environment, checks, reproduction) is in all of them.
type Profile string

// The profiles.
const (
	TR117 Profile = "tr117" // a benchmark of requests across backends: distributions, tests of runs, paradoxes
	TR119 Profile = "tr119" // cost and energy of one million tokens
	TR122 Profile = "tr122" // resources: power, energy, memory, clocks, and which roof is near
)

// pricedReports are the profiles that are about costs too.
var pricedReports = []Profile{TR117, TR119}

// DefaultProfile is the profile of a report that names none.
const DefaultProfile = TR119

// titles are the titles of reports that are given none.
var titles = map[Profile]string{
	TR117: "Technical Report 117: cross-backend inference benchmark",
	TR119: DefaultTitle,
	TR122: "Technical Report 122: resources of local inference",
}

// priced reports whether the report is about costs too, and so needs them.
func (p Profile) priced() bool { return slices.Contains(pricedReports, p) }

// validate checks that there is such a profile.
func (p Profile) validate() error {
	if titles[p] == "" {
		return cli.BadInputf("profile: saw %q, want %s", p, ProfileNames())
	}
	return nil
}

// ProfileNames lists the profiles for people: a, b or c.
func ProfileNames() string {
	var names []string
	for p := range titles {
		names = append(names, string(p))
	}
	slices.Sort(names)
	end := len(names) - 1
	return strings.Join(names[:end], ", ") + " or " + names[end]
}
