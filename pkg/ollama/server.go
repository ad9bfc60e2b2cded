package ollama

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Options of a server. The zero value is ready for use.
type Options struct {
	// ModelsDir is where the server keeps its models; "" is DefaultModelsDir. Several servers may share one.
	ModelsDir string
	// Parallel is how many requests the server works on at once, each with a context window of its own; 0 is 1.
	Parallel int
	// ContextLength is the default number of tokens of a context window; 0 leaves it to the server. A model's own limit, and a
	// request's num_ctx, go before it.
	ContextLength int
}

// startLimit is how long a server may take until it answers.
const startLimit = 30 * time.Second

// stopLimit is how long a server that was told to end may take before it is killed; a variable for the tests.
var stopLimit = 5 * time.Second

// Server is a running Ollama server.
type Server struct {
	URL     string // http://127.0.0.1:PORT
	Version string // what the server says of itself

	cmd   *exec.Cmd
	log   *logFile
	ended chan struct{} // closed when the process has ended

	stop    sync.Once
	stopErr error
}

// Start starts `ollama serve` on a free port of the loopback interface and waits until it answers. The server ends with
// Stop, and on Linux also when this process dies, however it dies. ctx bounds the start alone.
func Start(ctx context.Context, b Binary, o Options) (*Server, error) {
	env, err := environment(o)
	if err != nil {
		return nil, fmt.Errorf("start ollama: %w", err)
	}
	const tries = 3 // another process may take the port before the server does
	for try := 1; ; try++ {
		s, err := start(ctx, b, env)
		if err == nil {
			return s, nil
		}
		if try == tries || !errors.Is(err, errPortTaken) {
			return nil, fmt.Errorf("start ollama: %w", err)
		}
	}
}

var errPortTaken = errors.New("the port was taken")

func start(ctx context.Context, b Binary, env []string) (*Server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := newLogFile()
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + address, cmd: exec.Command(b.Path, "serve"), log: log, ended: make(chan struct{})}
	s.cmd.Env = append(env, "OLLAMA_HOST="+address)
	s.cmd.Stdout, s.cmd.Stderr = log.f, log.f
	s.cmd.SysProcAttr = attributes()
	if err := s.launch(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := s.await(ctx); err != nil {
		words := s.LogTail()
		err = fmt.Errorf("%s: %w; its last words: %s", b.Path, err, words)
		if strings.Contains(words, "address already in use") {
			err = fmt.Errorf("%w: %w", errPortTaken, err)
		}
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// launch starts the process. The kernel ties the server's life to the thread that starts it, not to the whole parent, so
// one thread does nothing else until the server has ended.
func (s *Server) launch() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = s.cmd.Wait() // how it ended is in its log
		killGroup(s.PID())
		close(s.ended)
	}()
	return <-started
}

// await asks the server's version until it tells.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("no answer within %s", startLimit))
	defer cancel()
	for {
		answered := s.askVersion(ctx) == nil
		select {
		case <-s.ended: // whoever may have answered
			return errors.New("it ended at once")
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
		}
		if answered {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *Server) askVersion(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/version", nil)
	if err != nil {
		return err
	}
	res, err := direct.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	var answer struct{ Version string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	s.Version = answer.Version
	return nil
}

// direct asks the server itself, whatever proxy the user has.
var direct = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// PID is the server's process id. The process that computes is a child of it.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Ended is closed when the server has ended.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// LogTail is the end of what the server has written, for error messages.
func (s *Server) LogTail() string { return s.log.tail() }

// Stop ends the server and every process that it started; it may have ended already. Only the first call does anything.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		select {
		case <-s.ended:
		default:
			terminate(s.PID())
		}
		select {
		case <-s.ended:
		case <-time.After(stopLimit):
			killGroup(s.PID())
			<-s.ended
		}
		s.stopErr = s.log.Close()
	})
	return s.stopErr
}

// environment is the whole environment of a server, so that no setting of the user's own server, no proxy and no secret
// reaches it. Its home folder is in the cache, as it keeps a key there.
func environment(o Options) ([]string, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoFolder, err)
	}
	if o.ModelsDir == "" {
		o.ModelsDir = filepath.Join(cache, "ollama-models")
	}
	home := filepath.Join(cache, "ollama-home")
	if err := errors.Join(os.MkdirAll(home, 0o755), os.MkdirAll(o.ModelsDir, 0o755)); err != nil {
		return nil, fmt.Errorf("%w: the user's cache: %w", ErrNoFolder, err)
	}
	env := []string{
		"HOME=" + home, "USERPROFILE=" + home,
		"OLLAMA_MODELS=" + o.ModelsDir,
		fmt.Sprintf("OLLAMA_NUM_PARALLEL=%d", max(1, o.Parallel)),
		"OLLAMA_MAX_LOADED_MODELS=1",
		"OLLAMA_KEEP_ALIVE=-1", // a model stays loaded
		"OLLAMA_NOPRUNE=1",     // what another server is uploading stays
		"OLLAMA_NOHISTORY=1",
		"OLLAMA_NO_CLOUD=1",        // nothing leaves the machine
		"OLLAMA_FLASH_ATTENTION=0", // on a CPU it adds up in 16 bits
		"OLLAMA_KV_CACHE_TYPE=f16", // the most exact one it has
		"OLLAMA_DEBUG=1",           // it logs how much of a prompt came from its cache
	}
	if o.ContextLength > 0 {
		env = append(env, fmt.Sprintf("OLLAMA_CONTEXT_LENGTH=%d", o.ContextLength))
	}
	for _, name := range []string{"PATH", "TMPDIR", "TEMP", "TMP", "SystemRoot", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
		"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env, nil
}

// freeAddress is an address of the loopback interface with a port that nobody uses now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
