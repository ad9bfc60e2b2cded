package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stream"
)

// The environment variables that say which server to ask, so that a worker inherits them. The key is read from nowhere
// else, is sent as a header, and is written nowhere.
const (
	EnvOpenAIURL   = "BH_OPENAI_URL"
	EnvOpenAIModel = "BH_OPENAI_MODEL" // a name that the server knows
	envOpenAIBase  = "OPENAI_BASE_URL" // what OpenAI's own libraries read, where the first is not set
	envOpenAIKey   = "OPENAI_API_KEY"
)

// The settings of the backends that ask a server.
const (
	settingEndpoint    = "endpoint"
	settingPromptCache = "prompt_cache"
	endpointText       = "completions"
	endpointChat       = "chat"
	cacheAvoid         = "avoid" // as far as the server lets us, see Info
	cacheAllow         = "allow"
)

// openaiSalt is vLLM's parameter that keeps a prompt apart from others in the cache.
const openaiSalt = "cache_salt"

// The backend openai asks any server that speaks OpenAI's API, in a stream and with usage.
//
// A server at an address of the user's serves whatever it serves: that these are the weights and the precision which the
// record names is the user's word, and only the number of each prompt's tokens is checked. Without an address it is our
// own Ollama with the model folder's weights.
//
// The device is this machine's CPU. Where the server computes on something else or elsewhere, the power of this machine is
// not that of the run.
func init() {
	Register(&Backend{
		Name:    "openai",
		Device:  record.CPU,
		Summary: "any server with OpenAI's API: vLLM, llama-server, TGI, SGLang, Ollama",
		Capabilities: Capabilities{
			Modes:      []record.Mode{record.Prefill, record.GenerateCached},
			Precisions: []string{"fp32", "fp16", "bf16", "int8", "int4"},
			Settings: map[string][]string{
				settingEndpoint:    {endpointText, endpointChat},
				settingPromptCache: {cacheAvoid, cacheAllow},
				settingParallel:    parallelValues,
			},
		},
		Check:   checkOpenAI,
		Install: ollamaInstall,
		Probe:   probeOpenAI,
		Open:    openOpenAI,
	})
}

// openaiURL is the address that the user gives, nil where there is none. A path of its own stands for itself; without one
// it is /v1.
func openaiURL() (*url.URL, error) {
	name := EnvOpenAIURL
	if os.Getenv(name) == "" {
		name = envOpenAIBase
	}
	text := strings.TrimSpace(os.Getenv(name))
	if text == "" {
		return nil, nil
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &Unavailable{Reason: ServerNotFound, Detail: "$" + name + ": saw no address, want one such as http://127.0.0.1:8000/v1"}
	}
	u.RawQuery, u.Fragment = "", ""
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1"
	}
	return u, nil
}

// checkLimit is how long a check waits for a server: long enough for one of this machine, or for one in the neighbourhood.
const (
	checkLimit       = 300 * time.Millisecond
	remoteCheckLimit = 2 * time.Second
)

func limitFor(c *stream.Client) time.Duration {
	if c.Local() {
		return checkLimit
	}
	return remoteCheckLimit
}

// briefly bounds a question to a server by the time of a check.
func briefly(ctx context.Context, c *stream.Client) (context.Context, context.CancelFunc) {
	limit := limitFor(c)
	return context.WithTimeoutCause(ctx, limit, c.Slow(limit))
}

// openaiKey is the user's key, as far as a header can carry it.
func openaiKey() (string, error) {
	key := os.Getenv(envOpenAIKey)
	if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "", &Unavailable{Reason: KeyInvalid, Detail: "$" + envOpenAIKey + " holds a line break or another control character, which no key does",
			Remedy: "set it to the key alone, or unset it"}
	}
	return key, nil
}

const openaiRemedy = "start the server, or give neither --openai-url nor $" + EnvOpenAIURL + " nor $" + envOpenAIBase

func checkOpenAI() error {
	u, err := openaiURL()
	switch {
	case err != nil:
		return err
	case u == nil:
		return checkOllama()
	}
	key, err := openaiKey()
	if err != nil {
		return err
	}
	client := stream.New(u, stream.Options{Key: key})
	defer client.Close()
	ctx, cancel := briefly(context.Background(), client)
	defer cancel()
	_, err = openaiModels(ctx, client)
	return whileOpening(err, openaiRemedy)
}

func probeOpenAI() map[string]string {
	u, err := openaiURL()
	if err != nil || u == nil {
		return probeOllama()
	}
	client := stream.New(u, stream.Options{Key: os.Getenv(envOpenAIKey)})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*limitFor(client))
	defer cancel()
	found := map[string]string{"server at": locality(client)}
	models, err := openaiModels(ctx, client)
	if err != nil {
		return found
	}
	kind, version := detectServer(ctx, u)
	found["server"] = client.Redact(strings.TrimSpace(kind + " " + version))
	found["models"] = fmt.Sprint(len(models))
	return found
}

// openaiEngine is a model that a server serves.
type openaiEngine struct {
	ctx      context.Context //nolint:containedctx // see remoteJob
	client   *stream.Client
	kind     string
	endpoint string
	model    string // as the server calls it
	given    bool   // the server has the folder's model from us
	allow    bool   // prompts may come from a cache
	eos      int64
	info     map[string]string
	ollama   *ollamaServer // where the server is one
	cache    promptCache
}

var _ Remote = (*openaiEngine)(nil)

func openOpenAI(ctx context.Context, spec Spec) (_ Engine, err error) {
	folder, err := openFolder(spec.ModelDir)
	if err != nil {
		return nil, err
	}
	e := &openaiEngine{ctx: ctx, eos: folder.Config.EOSTokenID, endpoint: cmp.Or(spec.Settings[settingEndpoint], endpointText),
		allow: spec.Settings[settingPromptCache] == cacheAllow}
	defer func() {
		if err != nil {
			err = errors.Join(whileOpening(e.ollama.explain(err), openaiRemedy), e.Close())
		}
	}()
	if err := e.connect(ctx, spec, folder); err != nil {
		return nil, err
	}
	return e, withCalibration(ctx, e.info)
}

// Close implements Engine.
func (e *openaiEngine) Close() error {
	if e.client != nil {
		e.client.Close()
	}
	if e.ollama != nil {
		return e.ollama.close()
	}
	return nil
}

// Info implements Engine.
func (e *openaiEngine) Info() map[string]string { return e.info }

// Processes implements Remote.
func (e *openaiEngine) Processes() []int {
	if e.ollama == nil {
		return nil
	}
	return e.ollama.processes()
}
