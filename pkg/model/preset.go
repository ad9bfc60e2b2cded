package model

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
)

// The presets that Build knows.
const (
	PresetGPT2 = "gpt2-124m" // GPT-2 small, 124M parameters: TR119's model
	PresetTiny = "gpt2-tiny" // the same architecture and vocabulary, 2 layers, 2 heads, width 32: for tests
)

// SeededSuffix ends the name of every model with random weights, so that nobody takes one for the trained model.
const SeededSuffix = "-seeded"

// DefaultSeed is the seed of the weights where a caller has no reason for another.
const DefaultSeed uint64 = 42

// Presets lists the presets by name.
func Presets() []string { return []string{PresetGPT2, PresetTiny} }

// Preset returns the configuration of a preset. Both keep GPT-2's vocabulary of 50257 and its context of 1024, so that
// prompts, scenarios and the EOS id are the same for both.
func Preset(name string) (Config, error) {
	c := defaultConfig()
	c.ModelType, c.VocabSize, c.NPositions = "gpt2", 50257, 1024
	switch name {
	case PresetGPT2:
		c.NLayer, c.NHead, c.NEmbd = 12, 12, 768
	case PresetTiny:
		c.NLayer, c.NHead, c.NEmbd = 2, 2, 32
	default:
		return Config{}, cli.BadInputf("model preset: saw %q, want one of %s", name, strings.Join(Presets(), ", "))
	}
	return c, nil
}

// SeededName is the name of the model that Build makes from a preset.
func SeededName(preset string) string { return preset + SeededSuffix }

// DefaultDir is the folder of a preset's seeded model in the user's cache: bh/models/gpt2-124m-seeded. Its name does not
// carry the seed: a build with another seed replaces it.
func DefaultDir(preset string) (string, error) {
	if !slices.Contains(Presets(), preset) {
		_, err := Preset(preset)
		return "", err
	}
	return cacheDir(SeededName(preset))
}

// ImportDir is the folder in the user's cache that srcDir is imported to where the user names none: bh/models/ and the
// last element of srcDir, or the repository's name where srcDir is a snapshot in Hugging Face's cache
// (models--ORG--NAME/snapshots/HASH).
func ImportDir(srcDir string) (string, error) {
	abs, err := filepath.Abs(srcDir)
	if err != nil {
		return "", fmt.Errorf("import %s: %w", srcDir, err)
	}
	name := filepath.Base(abs)
	if snapshots := filepath.Dir(abs); filepath.Base(snapshots) == "snapshots" {
		repo := filepath.Base(filepath.Dir(snapshots))
		name = repo[strings.LastIndex(repo, "--")+1:]
		name = strings.TrimPrefix(name, "-")
	}
	return cacheDir(name)
}

func cacheDir(name string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for models: %w; set XDG_CACHE_HOME or name a folder", err)
	}
	return filepath.Join(cache, "bh", "models", name), nil
}
