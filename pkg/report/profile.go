package report

import "github.com/banterhearts/bh/pkg/cli"

// Profile is which technical report is written: its questions, and so its sections, findings and title. What every report
// has (definitions, method, environment, checks, reproduction) is in all of them.
type Profile string

// The profiles.
const (
	TR117 Profile = "tr117" // a benchmark of requests across backends: distributions, tests of runs, paradoxes
	TR119 Profile = "tr119" // cost and energy of one million tokens
)

// DefaultProfile is the profile of a report that names none.
const DefaultProfile = TR119

// titles are the titles of reports that are given none.
var titles = map[Profile]string{
	TR117: "Technical Report 117: cross-backend inference benchmark",
	TR119: DefaultTitle,
}

// validate checks that there is such a profile.
func (p Profile) validate() error {
	if titles[p] == "" {
		return cli.BadInputf("profile: saw %q, want %s or %s", p, TR117, TR119)
	}
	return nil
}
