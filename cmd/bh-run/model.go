package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/units"
)

func modelCommand(s cli.Streams) *urfave.Command {
	out := &urfave.PathFlag{Name: "output", Aliases: []string{"o"}, Usage: "model `FOLDER`; default: in the user's cache"}
	seed := &urfave.Uint64Flag{Name: "seed", Usage: "`SEED` of the weights", Value: model.DefaultSeed}
	return &urfave.Command{
		Name: "model", Usage: "make a model folder: one set of weights for every backend",
		Subcommands: []*urfave.Command{
			{
				Name: "build", ArgsUsage: "PRESET", Flags: []urfave.Flag{out, seed},
				Usage:  "a model with random, seeded weights: " + strings.Join(model.Presets(), ", "),
				Action: func(c *urfave.Context) error { return buildModel(c, s) },
			},
			{
				Name: "import", ArgsUsage: "DIR", Flags: []urfave.Flag{out},
				Usage:  "a model from a Hugging Face GPT-2 folder (config.json and model.safetensors)",
				Action: func(c *urfave.Context) error { return importModel(c, s) },
			},
		},
	}
}

func buildModel(c *urfave.Context, s cli.Streams) error {
	preset, err := onlyArgument(c, "a preset: "+strings.Join(model.Presets(), ", "))
	if err != nil {
		return err
	}
	dir := c.Path("output")
	if dir == "" {
		if dir, err = model.DefaultDir(preset); err != nil {
			return err
		}
	}
	f, err := model.Build(c.Context, preset, dir, c.Uint64("seed"), weightsProgress(s))
	return printFolder(s, f, err)
}

func importModel(c *urfave.Context, s cli.Streams) error {
	src, err := onlyArgument(c, "a Hugging Face GPT-2 folder")
	if err != nil {
		return err
	}
	dir := c.Path("output")
	if dir == "" {
		if dir, err = model.ImportDir(src); err != nil {
			return err
		}
	}
	f, err := model.Import(c.Context, src, dir, weightsProgress(s))
	return printFolder(s, f, err)
}

// onlyArgument is the one argument of a command.
func onlyArgument(c *urfave.Context, want string) (string, error) {
	if c.NArg() != 1 {
		return "", cli.BadInputf("model %s: saw %d arguments, want %s (options go before it)", c.Command.Name, c.NArg(), want)
	}
	return c.Args().First(), nil
}

// printFolder says where the model is: the folder alone on standard output, for scripts.
func printFolder(s cli.Streams, f *model.Folder, err error) error {
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "bh-run: %s, %.1fM parameters, weights SHA-256 %.16s…\n", f.Name, float64(f.Config.Parameters())/1e6, f.WeightsSHA256)
	_, err = fmt.Fprintln(s.Out, f.Dir)
	return err
}

// weightsProgress prints a line at every tenth of the weights.
func weightsProgress(s cli.Streams) model.Progress {
	const parts = 10
	shown := units.Bytes(0)
	return func(done, total units.Bytes) {
		if part := done * parts / max(total, 1); part > shown && total > 64<<20 {
			shown = part
			fmt.Fprintf(s.Err, "bh-run: weights: %s of %s\n", done, total)
		}
	}
}

// resolveModel gives the model folder that name stands for: a preset, which is built into the user's cache the first
// time, or a folder.
func resolveModel(ctx context.Context, name string, say func(string)) (*model.Folder, error) {
	if !slices.Contains(model.Presets(), name) {
		return openFolder(name)
	}
	dir, err := model.DefaultDir(name)
	if err != nil {
		return nil, err
	}
	// Build leaves a folder alone that already is what it would build.
	said := false
	return model.Build(ctx, name, dir, model.DefaultSeed, func(units.Bytes, units.Bytes) {
		if !said {
			said = true
			say(fmt.Sprintf("building %s (once, into the user's cache)", model.SeededName(name)))
		}
	})
}

// openFolder opens a model folder of the user's, and says what to do with one that has not been imported.
func openFolder(dir string) (*model.Folder, error) {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return nil, cli.BadInputf("model: saw %q, want one of %s or a model folder", dir, strings.Join(model.Presets(), ", "))
	}
	f, err := model.Open(dir)
	if err == nil {
		return f, nil
	}
	if _, statErr := os.Stat(filepath.Join(dir, model.ONNXFile)); errors.Is(statErr, os.ErrNotExist) {
		return nil, cli.BadInputf("%w; a Hugging Face folder becomes a model folder with `bh-run model import %s`", err, dir)
	}
	return nil, err
}

// modelConfig is the architecture that name stands for, without building anything.
func modelConfig(name string) (model.Config, error) {
	if slices.Contains(model.Presets(), name) {
		return model.Preset(name)
	}
	f, err := openFolder(name)
	if err != nil {
		return model.Config{}, err
	}
	return f.Config, nil
}
