package backend

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/stream"
)

// What a server is decides how its cache of prompts is kept out of the way and what it must be told to sample as the other
// backends do.
const (
	serverVLLM    = "vLLM"
	serverLlama   = "llama-server"
	serverTGI     = "TGI"
	serverOllama  = "Ollama"
	serverUnknown = "unknown"
)

// detectServer asks for what only one kind of server has. An API elsewhere that answers none of it is unknown.
func detectServer(ctx context.Context, api *url.URL) (kind, version string) {
	client := stream.New(serverRoot(api), stream.Options{Key: os.Getenv(envOpenAIKey)})
	defer client.Close()
	var says struct {
		Version string `json:"version"`
		Build   string `json:"build_info"`
		Model   string `json:"model_id"`
	}
	asks := func(path string) bool { return client.Call(ctx, http.MethodGet, path, nil, &says) == nil }
	switch {
	case asks("/api/version") && says.Version != "":
		return serverOllama, says.Version
	case asks("/version") && says.Version != "":
		return serverVLLM, says.Version
	case asks("/props") && says.Build != "":
		return serverLlama, says.Build
	case asks("/info") && says.Model != "" && says.Version != "":
		return serverTGI, says.Version
	}
	return serverUnknown, ""
}

// openaiModels lists what a server serves.
func openaiModels(ctx context.Context, client *stream.Client) ([]string, error) {
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := client.Call(ctx, http.MethodGet, "/models", nil, &list); err != nil {
		return nil, err
	}
	var names []string
	for _, m := range list.Data {
		names = append(names, m.ID)
	}
	return names, nil
}

// connect finds the server and its model.
func (e *openaiEngine) connect(ctx context.Context, spec Spec, folder *model.Folder) error {
	u, err := openaiURL()
	if err != nil {
		return err
	}
	version, where := "", ""
	if u == nil {
		if e.ollama, err = locateOllama(ctx, spec); err != nil {
			return err
		}
		e.kind, version, where = serverOllama, e.ollama.version, e.ollama.where
		e.client = e.ollama.at("v1")
	} else {
		if err := userSetsParallel(spec); err != nil {
			return err
		}
		key, err := openaiKey()
		if err != nil {
			return err
		}
		e.client = stream.New(u, stream.Options{Key: key})
		if _, err := openaiModels(ctx, e.client); err != nil {
			return err
		}
		e.kind, version = detectServer(ctx, u)
		where = locality(e.client)
		if e.kind == serverOllama {
			e.ollama = ollamaOfUser(serverRoot(u), version, key)
		}
	}
	if err := e.choose(ctx, spec, folder); err != nil {
		return err
	}
	e.info = map[string]string{
		"server": e.kind, "server_at": where, "endpoint": e.endpoint, "model": folder.Name, "sampler": ownSampler,
		"served_as": publicName(e.client.Redact(e.model)), "prompt_cache": e.cachePolicy(),
	}
	if e.given {
		e.info["weights"] = folder.WeightsSHA256 // of what else a server serves, nobody knows
	} else {
		e.info[InfoThreads] = ThreadsOfServer
	}
	if e.ollama != nil && e.ollama.parallel > 0 {
		e.info["parallel"] = strconv.Itoa(e.ollama.parallel)
	}
	if version != "" {
		e.info["library"] = e.kind + " " + e.client.Redact(version)
	}
	return nil
}

// serverRoot is the address of the server whose API is at api.
func serverRoot(api *url.URL) *url.URL {
	root := *api
	root.Path = strings.TrimSuffix(strings.TrimRight(root.Path, "/"), "/v1")
	return &root
}

// publicName is a model's name as it may be published: servers often call a model by its folder.
func publicName(model string) string {
	if strings.ContainsAny(model[:min(1, len(model))], `/~\`) || filepath.IsAbs(model) {
		return path.Base(strings.ReplaceAll(model, `\`, "/"))
	}
	return model
}

// choose takes the model that the user names, else gives the folder's model to a server that can be given one, else takes
// the only one there is.
func (e *openaiEngine) choose(ctx context.Context, spec Spec, folder *model.Folder) (err error) {
	e.model = os.Getenv(EnvOpenAIModel)
	switch {
	case e.model == "" && e.kind == serverOllama:
		e.model, err = e.ollama.register(ctx, spec, folder)
		e.given = err == nil
	case e.model == "":
		e.model, err = e.onlyModel(ctx)
	}
	if err != nil || e.kind != serverOllama {
		return err
	}
	if err := e.ollama.load(ctx, e.model); err != nil {
		return err
	}
	e.cache = newOllamaCache(e.ollama, e.model, e.allow)
	return nil
}

func (e *openaiEngine) onlyModel(ctx context.Context) (string, error) {
	names, err := openaiModels(ctx, e.client)
	if err != nil {
		return "", err
	}
	if len(names) != 1 {
		return "", &Unavailable{Reason: ServerModelNotFound,
			Detail: e.client.Redact(fmt.Sprintf("the server serves %d models %.10q, want one", len(names), names)),
			Remedy: "set $" + EnvOpenAIModel}
	}
	return names[0], nil
}

// cachePolicy says for the record what is done about cached prompts.
func (e *openaiEngine) cachePolicy() string {
	switch {
	case e.allow:
		return "allowed"
	case e.kind == serverVLLM:
		return "avoided: another cache_salt in each request"
	case e.kind == serverLlama:
		return "avoided: cache_prompt is false"
	case e.kind == serverOllama:
		return ollamaCachePolicy
	}
	return "not in our hands; flagged where the server tells"
}
