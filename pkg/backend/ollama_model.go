package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/stream"
)

// ollamaParameters is the version of the parameters that register gives a model; it is part of the model's name.
const ollamaParameters = "v1"

// hashDigits is how much of the hash of the weights is in the model's name.
const hashDigits = 12

// ollamaModelName is unique to the weights, the threads and the parameters, as a server knows a model's options by its name.
func ollamaModelName(folder *model.Folder, threads int) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(folder.Name))
	const longest = 50 // Ollama takes 80 in all
	return fmt.Sprintf("bh-%.*s-%.*s:%s-threads-%d", longest, name, hashDigits, folder.GGUFSHA256, ollamaParameters, threads)
}

// register gives the server the folder's model, unless it has it, and returns its name there. The parameters reach what a
// request to /v1 cannot: all of a server's requests then agree in what it would load the model again for.
func (s *ollamaServer) register(ctx context.Context, spec Spec, folder *model.Folder) (string, error) {
	if spec.Precision != "fp32" {
		return "", &Unavailable{Reason: PrecisionUnsupported, Detail: fmt.Sprintf("precision: saw %q, want fp32, as the model folder's weights", spec.Precision)}
	}
	if err := folder.EnsureGGUF(ctx, nil); err != nil {
		return "", &Unavailable{Reason: ModelFailed, Detail: err.Error()}
	}
	if err := folder.VerifyGGUF(ctx); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", &Unavailable{Reason: ModelFailed, Detail: err.Error(), Remedy: "build or import the model folder again"}
	}
	name := ollamaModelName(folder, spec.Threads)
	err := s.client.Call(ctx, http.MethodPost, "/api/show", map[string]string{"model": name}, nil)
	var refused *stream.StatusError
	if err == nil || !errors.As(err, &refused) || refused.Code != http.StatusNotFound {
		return name, err
	}
	if err := s.upload(ctx, folder); err != nil {
		return "", err
	}
	err = s.client.Call(ctx, http.MethodPost, "/api/create", map[string]any{
		"model": name, "files": map[string]string{"model.gguf": "sha256:" + folder.GGUFSHA256}, "template": "{{ .Prompt }}", "stream": false,
		"parameters": map[string]any{
			"num_ctx": folder.Config.NPositions, "num_thread": spec.Threads, "num_gpu": 0,
			"temperature": 0, "top_k": 0, "top_p": 1, "min_p": 0, "typical_p": 1,
			"repeat_penalty": 1, "presence_penalty": 0, "frequency_penalty": 0,
		},
	}, nil)
	return name, modelError(err)
}

// upload sends the GGUF, unless the server has it. The server compares its hash.
func (s *ollamaServer) upload(ctx context.Context, folder *model.Folder) error {
	path := "/api/blobs/sha256:" + folder.GGUFSHA256
	if s.client.Call(ctx, http.MethodHead, path, nil, nil) == nil {
		return nil
	}
	file, err := os.Open(folder.GGUFPath())
	if err != nil {
		return &Unavailable{Reason: ModelNotFound, Detail: err.Error()}
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return &Unavailable{Reason: ModelNotFound, Detail: err.Error()}
	}
	return modelError(s.client.Upload(ctx, path, file, info.Size()))
}

// load has the server load a model for good.
func (s *ollamaServer) load(ctx context.Context, name string) error {
	return modelError(s.client.Call(ctx, http.MethodPost, "/api/generate",
		map[string]any{"model": name, "keep_alive": ollamaForever, "stream": false}, nil))
}

// modelError is an error of the server over a model that it was given.
func modelError(err error) error {
	var refused *stream.StatusError
	if !errors.As(err, &refused) {
		return err
	}
	reason := ModelFailed
	switch refused.Code {
	case http.StatusUnauthorized, http.StatusForbidden:
		reason = ServerRefused
	case http.StatusNotFound:
		reason = ServerModelNotFound
	}
	return &Unavailable{Reason: reason, Detail: "Ollama: " + refused.Error()}
}
