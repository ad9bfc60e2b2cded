package cli

import (
	"slices"
	"strings"
	"testing"

	urfave "github.com/urfave/cli/v2"
)

func TestFlagsFirst(t *testing.T) {
	flags := []urfave.Flag{&urfave.StringFlag{Name: "output", Aliases: []string{"o"}}, &urfave.BoolFlag{Name: "quiet", Aliases: []string{"q"}},
		&urfave.StringSliceFlag{Name: "samples"}}
	commands := []*urfave.Command{
		{Name: "join", Flags: flags},
		{Name: "record", Flags: flags, ArgsUsage: CommandOperand},
		{Name: "model", Subcommands: []*urfave.Command{{Name: "build", Flags: flags}}},
	}
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"runs -o out", "-o out -- runs"},
		{"a --output=x b -q", "--output=x -q -- a b"},
		{"- -o x", "-o x -- -"},
		{"-o x -- --odd-name", "-o x -- --odd-name"},
		{"-o", "-o"},
		{"join runs --samples s -o out", "join --samples s -o out -- runs"},
		{"join join -q", "join -q -- join"},
		{"-q join a -o b", "-q join -o b -- a"},
		{"record -o x cmd -o y", "record -o x cmd -o y"},
		{"record -o x -- cmd -q", "record -o x -- cmd -q"},
		{"model build gpt2 -o d", "model build -o d -- gpt2"},
		{"file join", "-- file join"},
	} {
		got := flagsFirst(flags, commands, strings.Fields(c.in))
		if want := strings.Fields(c.want); !slices.Equal(got, want) {
			t.Errorf("%s: saw %q, want %q", c.in, got, want)
		}
	}
}
