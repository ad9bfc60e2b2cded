package main

import (
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// Options are the settings of bh-run.
type Options struct {
	Matrix      string        // matrix file; empty: the built-in one
	Output      string        // results folder, or a file by extension; empty: standard output
	Format      string        // of standard output; empty: a table on a terminal, JSON-lines in a pipe
	Model       string        // preset or model folder; empty: the matrix's
	Threads     int           // intra-op threads; 0: the matrix's, else the physical cores
	Host        string        // name of this machine in the records; empty: a pseudonym
	Resume      bool          // continue the results folder
	NoTelemetry bool          // no sensors, so no energy
	Interval    time.Duration // of telemetry
	Quiet       bool          // no progress
	Servers     Servers
}

// Servers says which servers the backends ollama and openai ask. It reaches them through the environment, which workers
// inherit; a field that is empty leaves it to what is there.
type Servers struct {
	OllamaURL   string // $OLLAMA_HOST
	OpenAIURL   string // $BH_OPENAI_URL
	OpenAIModel string // $BH_OPENAI_MODEL
}

func (s *Servers) flags() []urfave.Flag {
	set := func(name string) func(*urfave.Context, string) error {
		return func(_ *urfave.Context, value string) error { return os.Setenv(name, value) }
	}
	address := func(flag, name string) func(*urfave.Context, string) error {
		return func(_ *urfave.Context, value string) error {
			return errors.Join(checkAddress(flag, value), os.Setenv(name, value))
		}
	}
	return []urfave.Flag{
		&urfave.StringFlag{Name: "ollama-url", Usage: "`URL` of an Ollama server; default: $" + backend.EnvOllamaHost + ", else one of our own",
			Destination: &s.OllamaURL, Action: address("ollama-url", backend.EnvOllamaHost)},
		&urfave.StringFlag{Name: "openai-url", Usage: "`URL` of a server with OpenAI's API, whose key is in $OPENAI_API_KEY; default: $" +
			backend.EnvOpenAIURL + ", else $OPENAI_BASE_URL, else Ollama", Destination: &s.OpenAIURL, Action: address("openai-url", backend.EnvOpenAIURL)},
		&urfave.StringFlag{Name: "openai-model", Usage: "`NAME` of the model there; default: $" + backend.EnvOpenAIModel + ", else the only one",
			Destination: &s.OpenAIModel, Action: set(backend.EnvOpenAIModel)},
	}
}

// checkAddress refuses what cannot be the address of a server; a host alone stands for http.
func checkAddress(flag, value string) error {
	text := value
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" { // the error would repeat a password
		return cli.BadInputf("--%s: saw no address of a server, want one such as http://127.0.0.1:8000", flag)
	}
	return nil
}

// hidden is the command line as it may be published: without the addresses of servers.
func (s *Servers) hidden(argv []string) []string {
	out := slices.Clone(argv)
	for i := range out {
		for _, address := range []string{s.OllamaURL, s.OpenAIURL} {
			if address != "" {
				out[i] = strings.ReplaceAll(out[i], address, "URL")
			}
		}
	}
	return out
}

// Bounds that catch a slip of the keyboard.
const (
	maxThreads  = 4096
	maxInterval = 10 * time.Second
)

func (o *Options) flags() []urfave.Flag {
	return append([]urfave.Flag{
		&urfave.PathFlag{Name: "matrix", Aliases: []string{"m"}, Usage: "matrix `FILE`; without it a small built-in matrix", Destination: &o.Matrix},
		&urfave.PathFlag{Name: "output", Aliases: []string{"o"}, Usage: "results `FOLDER` (journal, manifest, resume), or a file .parquet .arrow .jsonl .csv", Destination: &o.Output},
		&urfave.StringFlag{Name: "format", Usage: "`FORMAT` of standard output: table, jsonl, csv, arrow, parquet, json, md", Destination: &o.Format},
		&urfave.StringFlag{Name: "model", Usage: "preset or model `FOLDER` instead of the matrix's", Destination: &o.Model},
		&urfave.IntFlag{Name: "threads", Usage: "intra-op threads `N`; 0: the matrix's, else all physical cores", Destination: &o.Threads},
		&urfave.StringFlag{Name: "host", Usage: "`NAME` of this machine in the records; default: a pseudonym", Destination: &o.Host},
		&urfave.BoolFlag{Name: "resume", Usage: "continue what is in the results folder", Destination: &o.Resume},
		&urfave.BoolFlag{Name: "no-telemetry", Usage: "read no sensors; energy stays null", Destination: &o.NoTelemetry},
		&urfave.DurationFlag{Name: "interval", Usage: "telemetry `INTERVAL`", Value: telemetry.DefaultInterval, Destination: &o.Interval},
		&urfave.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no progress", Destination: &o.Quiet},
	}, o.Servers.flags()...)
}

// Validate reports what cannot be meant.
func (o *Options) Validate() error {
	switch {
	case o.Threads < 0 || o.Threads > maxThreads:
		return cli.BadInputf("--threads: saw %d, want 0 to %d", o.Threads, maxThreads)
	case o.Interval < telemetry.MinInterval || o.Interval > maxInterval:
		return cli.BadInputf("--interval: saw %s, want %s to %s", o.Interval, telemetry.MinInterval, maxInterval)
	case o.Resume && (o.Output == "" || !o.toFolder()):
		return cli.BadInputf("--resume: saw no results folder, want -o FOLDER")
	}
	if o.Format == "" {
		return nil
	}
	return store.CheckFormat(store.Format(o.Format))
}

// toFolder says whether the output is a results folder and not a file.
func (o *Options) toFolder() bool {
	if o.Output == "" || o.Output == "-" {
		return false
	}
	_, err := store.FormatOf(o.Output)
	return err != nil
}
