package backend

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/banterhearts/bh/pkg/ollama"
	"github.com/banterhearts/bh/pkg/record"
)

// settingParallel is how many requests our own server works on at once; others are told by OLLAMA_NUM_PARALLEL.
const settingParallel = "parallel"

var parallelValues = []string{"4", "1", "2", "8", "16"}

var ollamaInstall = &Install{
	Name:    "ollama",
	Summary: "the Ollama server " + ollama.Version + ", compiled here from Go's module proxy: about 4 minutes on two cores",
	Run:     ollama.Install,
}

// The backend ollama asks an Ollama server by its own API, raw and in a stream: the user's, where one answers, else one of
// our own that lives as long as the worker.
//
// It gives the server the model folder's GGUF, once, under a name of its own that carries the weights' hash, with the
// options that make it compute as the other backends do: all of the context, the threads of the run, no GPU, no penalties.
// Such a model stays on the user's server; `ollama rm` removes it.
//
// What the server keeps of a prompt cannot be switched off, see ollamaCache. Loading the model is part of opening it, and
// ServerTimes.Load of a run is what the server's scheduler takes.
func init() {
	Register(&Backend{
		Name:    "ollama",
		Device:  record.CPU,
		Summary: "an Ollama server, or our own " + ollama.Version,
		Capabilities: Capabilities{
			Modes:      []record.Mode{record.Prefill, record.GenerateCached},
			Precisions: []string{"fp32"},
			Settings:   map[string][]string{settingPromptCache: {cacheAvoid, cacheAllow}, settingParallel: parallelValues},
		},
		Check:   checkOllama,
		Install: ollamaInstall,
		Probe:   probeOllama,
		Open:    openOllama,
	})
}

// ollamaEngine is a model that an Ollama server has loaded.
type ollamaEngine struct {
	ctx    context.Context //nolint:containedctx // see remoteJob
	server *ollamaServer
	model  string // as the server calls it
	eos    int64
	info   map[string]string
	cache  *ollamaCache
}

var _ Remote = (*ollamaEngine)(nil)

func openOllama(ctx context.Context, spec Spec) (_ Engine, err error) {
	folder, err := openFolder(spec.ModelDir)
	if err != nil {
		return nil, err
	}
	server, err := locateOllama(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(whileOpening(server.explain(err), ollamaRemedy), server.close())
		}
	}()
	e := &ollamaEngine{ctx: ctx, server: server, eos: folder.Config.EOSTokenID}
	if e.model, err = server.register(ctx, spec, folder); err != nil {
		return nil, err
	}
	if err := server.load(ctx, e.model); err != nil {
		return nil, err
	}
	allow := spec.Settings[settingPromptCache] == cacheAllow
	e.cache = newOllamaCache(server, e.model, allow)
	e.info = map[string]string{
		"library": serverOllama + " " + server.version, "server": serverOllama, "server_at": server.where, "model": folder.Name,
		"weights": folder.WeightsSHA256, "gguf": folder.GGUFSHA256, "served_as": e.model, "prompt_cache": ollamaCachePolicy,
		"sampler": ownSampler,
	}
	if allow {
		e.info["prompt_cache"] = "allowed"
	}
	if server.parallel > 0 {
		e.info["parallel"] = strconv.Itoa(server.parallel)
	}
	return e, withCalibration(ctx, e.info)
}

// Info implements Engine.
func (e *ollamaEngine) Info() map[string]string { return e.info }

// Processes implements Remote.
func (e *ollamaEngine) Processes() []int { return e.server.processes() }

// Close implements Engine.
func (e *ollamaEngine) Close() error { return e.server.close() }

// Prepare implements Engine. It asks for one token of each sequence, to see that the server counts the same tokens as we do.
func (e *ollamaEngine) Prepare(task Task) (Job, error) {
	if task.Mode != record.Prefill && task.Mode != record.GenerateCached {
		return nil, &Unavailable{Reason: ModeUnsupported, Detail: "ollama does not do " + string(task.Mode)}
	}
	j := newRemoteJob(e.ctx, task, e.eos)
	j.cache, j.server = e.cache, e.server
	first, err := j.fill(task.Prompt, 1, func(i int, text string) (run, rehearse question, err error) {
		options := ollamaSampling(task, i)
		return e.server.question(e.model, text, newTokensOf(task), options), e.server.question(e.model, text, 1, options), nil
	})
	if err != nil {
		return nil, err
	}
	if err := e.rehearse(j, first); err != nil {
		return nil, whileRehearsing(e.server.explain(err))
	}
	return j, nil
}

func (e *ollamaEngine) rehearse(j *remoteJob, r rehearsal) error {
	if err := j.rehearse(r); err != nil {
		return err
	}
	for i := range j.answers {
		if got := j.answers[i].prompt; got != j.prompts.lengths[i] {
			return &Unavailable{Reason: PromptUnsupported,
				Detail: fmt.Sprintf("sequence %d: the server counts %d tokens, want %d", i+1, got, j.prompts.lengths[i])}
		}
		if _, _, err := j.count(i, r.asked); err != nil {
			return err
		}
	}
	return e.cache.learn(j, r.questions)
}
