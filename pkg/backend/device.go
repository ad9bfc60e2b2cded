package backend

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/ortbind"
	"github.com/banterhearts/bh/pkg/ortlib"
)

// target is what an execution provider with a memory of its own is told. The tests have one for the CPU, whose memory the
// host shares, so that they run the code that a GPU runs.
type target struct {
	provider  string // that must take the nodes
	precision string
	memory    string // where inputs, outputs and the cache are
	half      bool   // the graph in float16
	// ranged means that the provider builds an engine for a range of shapes, and cannot take an empty past: the first
	// pass of cached decoding has a graph of its own.
	ranged  bool
	options func(sessionKey) ([]ortbind.Provider, error)
}

// sessionKey is what a session is made for: a graph, and the shapes where the provider is told them.
type sessionKey struct {
	cache model.Cache
	shapes
}

// deviceEngine is a model whose passes stay on a device: inputs, outputs and the cache of keys and values lie in its memory,
// and only the logits of each sequence's last position come back.
type deviceEngine struct {
	spec     Spec
	target   target
	lib      *ortbind.Library
	origin   string
	folder   *model.Folder
	sessions map[sessionKey]*deviceSession
	found    placement // of the graph with a cache, for Info
	host     string    // the memory that the logits come back to
}

// deviceSession is a loaded graph with its memories.
type deviceSession struct {
	*ortbind.Session
	device, host *ortbind.Memory
	placement    placement
}

// openDevice opens the model folder and, to see what the provider takes, the graph with a cache.
func openDevice(spec Spec, lib ortlib.Library, t target) (Engine, error) {
	folder, err := openFolder(spec.ModelDir)
	if err != nil {
		return nil, err
	}
	library, err := ortbind.Load(lib.Path)
	if err != nil {
		return nil, &Unavailable{Reason: LibraryFailed, Detail: err.Error()}
	}
	e := &deviceEngine{spec: spec, target: t, lib: library, origin: lib.Origin, folder: folder, sessions: map[sessionKey]*deviceSession{}}
	key := sessionKey{cache: model.NextCache}
	s, err := e.load(key)
	if err != nil {
		return nil, err
	}
	e.found, e.host = s.placement, s.host.Name
	if t.ranged { // made for no shapes yet
		s.close()
	} else {
		e.sessions[key] = s
	}
	return e, nil
}

// session returns the session for key, which is loaded once, and how long that took now.
func (e *deviceEngine) session(key sessionKey) (s *deviceSession, loading time.Duration, err error) {
	if s := e.sessions[key]; s != nil {
		return s, 0, nil
	}
	start := time.Now()
	if s, err = e.load(key); err != nil {
		return nil, 0, err
	}
	e.sessions[key] = s
	return s, time.Since(start), nil
}

func (e *deviceEngine) load(key sessionKey) (*deviceSession, error) {
	graph, err := e.folder.Graph(model.Variant{Cache: key.cache, Half: e.target.half})
	if err != nil {
		return nil, &Unavailable{Reason: ModelFailed, Detail: err.Error()}
	}
	providers, err := e.target.options(key)
	if err != nil {
		return nil, err
	}
	raw, err := e.lib.Open(graph.ONNX, e.folder.Dir, ortbind.Options{
		Threads: e.spec.Threads, Level: deviceLevels[e.spec.Settings[graphOptimization]], Providers: providers,
	})
	if err != nil {
		return nil, openFailure(e.folder.Dir, err)
	}
	s := &deviceSession{Session: raw}
	if err := s.look(e.target, graph.Shapes); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// deviceLevels are ONNX Runtime's levels; the default is all.
var deviceLevels = map[string]ortbind.Level{
	"": ortbind.All, "all": ortbind.All, "extended": ortbind.Extended, "basic": ortbind.Basic, "disable": ortbind.Disable,
}

// look finds out which provider took the nodes, and the memories. Where the host has no memory that the device reaches by
// itself, ordinary memory does, at the price of one more copy.
func (s *deviceSession) look(t target, shapes map[string]bool) error {
	assigned, err := s.Assignment()
	if err != nil {
		return &Unavailable{Reason: LibraryFailed, Detail: err.Error()}
	}
	s.placement = place(assigned, t.provider, shapes)
	if s.placement.taken == 0 {
		return &Unavailable{Reason: ProviderNotTaken, Detail: fmt.Sprintf("none of %d nodes went to %s", len(assigned), t.provider)}
	}
	if s.device, err = s.Memory(t.memory, 0); err != nil {
		return &Unavailable{Reason: ProviderNotTaken, Detail: err.Error()}
	}
	if s.host, err = s.Memory(ortbind.PinnedMemory, 0); err != nil {
		s.host, err = s.Memory(ortbind.HostMemory, 0)
	}
	return err
}

func (s *deviceSession) close() {
	for _, m := range []*ortbind.Memory{s.device, s.host} {
		if m != nil {
			m.Close()
		}
	}
	s.Session.Close()
}

// Info implements Engine.
func (e *deviceEngine) Info() map[string]string {
	info := map[string]string{
		"library": "onnxruntime " + e.lib.Version, "origin": e.origin,
		"model": e.folder.Name, "weights": e.folder.WeightsSHA256, "sampler": sharedSampler,
		"provider": e.target.provider, "precision": e.target.precision,
		"memory": e.target.memory, "logits_memory": e.host,
	}
	e.found.describe(info)
	return info
}

// Prepare implements Engine.
func (e *deviceEngine) Prepare(task Task) (Job, error) {
	s := e.newStore(task)
	j, err := prepare(task, e.folder.Config, s)
	if err != nil || !e.target.ranged {
		return j, err
	}
	return &compiledJob{Job: j, store: s}, nil
}

// Close implements Engine.
func (e *deviceEngine) Close() error {
	for _, s := range e.sessions {
		s.close()
	}
	return nil
}

// compiledJob is a job whose provider built an engine for its shapes, or read one that it had built before.
type compiledJob struct {
	Job
	store *deviceStore
}

var _ Compiler = (*compiledJob)(nil)

// Compiled implements Compiler.
func (j *compiledJob) Compiled() time.Duration { return j.store.compiled }

// cacheFolder is where a backend keeps what it compiled.
func cacheFolder(parts ...string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w", err)
	}
	dir := filepath.Join(append([]string{base, "bh"}, parts...)...)
	return dir, os.MkdirAll(dir, 0o755)
}
