package cli

import (
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

// CommandOperand is the ArgsUsage of a command whose operands are another program's command line, with flags of its own
// that must stay where they are.
const CommandOperand = "[-- COMMAND ARGS…]"

// flagsFirst moves operands behind flags, because the library's parser stops at the first operand, and `tool FILE
// --option` is how people say it. What follows "--" is operands; so is what a command marked CommandOperand is given.
func flagsFirst(flags []urfave.Flag, commands []*urfave.Command, args []string) []string {
	var out, operands []string
	for rest := args; len(rest) > 0; rest = rest[1:] {
		arg := rest[0]
		if arg == "--" {
			operands = append(operands, rest[1:]...)
			break
		}
		if arg == "-" || !strings.HasPrefix(arg, "-") {
			if c := subcommand(commands, arg); c != nil && len(operands) == 0 {
				return append(append(out, arg), commandArgs(c, rest[1:])...)
			}
			operands = append(operands, arg)
			continue
		}
		out = append(out, arg)
		if takesValue(flags, arg) && len(rest) > 1 {
			out = append(out, rest[1])
			rest = rest[1:]
		}
	}
	if len(operands) == 0 {
		return out
	}
	return append(append(out, "--"), operands...)
}

// commandArgs is flagsFirst of what follows a subcommand's name.
func commandArgs(c *urfave.Command, args []string) []string {
	if c.ArgsUsage == CommandOperand {
		return args
	}
	return flagsFirst(c.Flags, c.Subcommands, args)
}

func subcommand(commands []*urfave.Command, name string) *urfave.Command {
	i := slices.IndexFunc(commands, func(c *urfave.Command) bool { return c.HasName(name) })
	if i < 0 {
		return nil
	}
	return commands[i]
}

// takesValue reports whether arg is a flag whose value is the next argument.
func takesValue(flags []urfave.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	for _, f := range flags {
		if _, isBool := f.(*urfave.BoolFlag); !isBool && slices.Contains(f.Names(), name) {
			return true
		}
	}
	return false
}
