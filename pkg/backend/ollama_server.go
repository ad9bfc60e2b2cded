package backend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/ollama"
	"github.com/banterhearts/bh/pkg/stream"
)

// EnvOllamaHost says where the user's server is, in any form that Ollama itself accepts.
const EnvOllamaHost = "OLLAMA_HOST"

const (
	ollamaDefault = "127.0.0.1:11434"
	ollamaRemedy  = "run `ollama serve`, or give neither --ollama-url nor $" + EnvOllamaHost
	ollamaMissing = "run `bh-run setup ollama`"
)

// ollamaServer is a server that answers.
type ollamaServer struct {
	root     *url.URL
	client   *stream.Client
	own      *ollama.Server // nil where it is somebody else's
	version  string
	where    string // for the record: own, local or remote
	parallel int    // requests that it works on at once; 0 where that is not known
}

// ollamaAddress reads $OLLAMA_HOST as Ollama does (envconfig.Host): a scheme, a host and a port, each of which may be
// missing. A server that listens on all addresses is asked on this machine's own. It is nil where the variable is not set.
func ollamaAddress() (*url.URL, error) {
	text := strings.Trim(strings.TrimSpace(os.Getenv(EnvOllamaHost)), `"'`)
	if text == "" {
		return nil, nil
	}
	scheme, rest, ok := strings.Cut(text, "://")
	port := map[string]string{"http": "80", "https": "443"}[scheme]
	if !ok {
		scheme, rest, port = "http", text, "11434"
	}
	if port == "" && ok {
		return nil, noAddress(fmt.Sprintf("saw the scheme %.20q", scheme))
	}
	hostPort, path, _ := strings.Cut(rest, "/")
	var user *url.Userinfo
	if at := strings.LastIndexByte(hostPort, '@'); at >= 0 {
		name, password, _ := strings.Cut(hostPort[:at], ":")
		user, hostPort = url.UserPassword(name, password), hostPort[at+1:]
	}
	host, given, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.Trim(hostPort, "[]")
	} else if n, err := strconv.Atoi(given); err == nil && n >= 0 && n <= 65535 {
		port = given
	}
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	u := &url.URL{Scheme: scheme, User: user, Host: net.JoinHostPort(host, port), Path: path}
	if parsed, err := url.Parse(u.String()); err != nil || parsed.Host != u.Host {
		return nil, noAddress("saw no host in it")
	}
	return u, nil
}

func noAddress(saw string) error {
	return &Unavailable{Reason: ServerNotFound, Detail: "$" + EnvOllamaHost + ": " + saw + ", want an address such as http://" + ollamaDefault,
		Remedy: ollamaRemedy}
}

// ollamaOfUser is a server of the user's; a key is for what may stand before it.
func ollamaOfUser(root *url.URL, version, key string) *ollamaServer {
	s := &ollamaServer{root: root, client: stream.New(root, stream.Options{Key: key}), version: version}
	s.where = locality(s.client)
	return s
}

// answering asks a server of the user's for its version, within the time of a check.
func answering(ctx context.Context, root *url.URL) (*ollamaServer, error) {
	s := ollamaOfUser(root, "", "")
	ctx, cancel := briefly(ctx, s.client)
	defer cancel()
	var says struct {
		Version string `json:"version"`
	}
	err := s.client.Call(ctx, http.MethodGet, "/api/version", nil, &says)
	if err == nil && says.Version == "" {
		err = fmt.Errorf("%w: no version", stream.ErrMalformed)
	}
	if err != nil {
		s.client.Close()
		return nil, err
	}
	s.version = s.client.Redact(says.Version)
	return s, nil
}

// findOllama is the user's server: where $OLLAMA_HOST says, which must be right, or at the default address, where there may be
// none: then it is nil.
func findOllama(ctx context.Context) (*ollamaServer, error) {
	root, err := ollamaAddress()
	if err != nil {
		return nil, err
	}
	if root != nil {
		s, err := answering(ctx, root)
		if err != nil && ctx.Err() == nil {
			return nil, noOllama(err)
		}
		return s, err
	}
	s, err := answering(ctx, &url.URL{Scheme: "http", Host: ollamaDefault})
	if err != nil {
		return nil, context.Cause(ctx) // somebody else may listen there
	}
	return s, nil
}

// noOllama says why a server of the user's is none.
func noOllama(err error) error {
	var missing *Unavailable
	if err = whileOpening(err, ollamaRemedy); errors.As(err, &missing) {
		return &Unavailable{Reason: missing.Reason, Remedy: ollamaRemedy,
			Detail: "the server of --ollama-url or $" + EnvOllamaHost + " does not answer as Ollama does: " + missing.Detail}
	}
	return err
}

func checkOllama() error {
	s, err := findOllama(context.Background())
	if err != nil {
		return err
	}
	if s != nil {
		s.client.Close()
		return nil
	}
	if _, err := ollama.Find(); err != nil {
		return &Unavailable{Reason: ServerNotFound, Detail: "no server answers at " + ollamaDefault + ", and " + err.Error(), Remedy: ollamaMissing}
	}
	return nil
}

func probeOllama() map[string]string {
	s, err := findOllama(context.Background())
	if err != nil {
		return nil
	}
	if s == nil {
		if b, err := ollama.Find(); err == nil {
			found := map[string]string{"program": b.Path}
			if b.Origin == ollama.OriginCache { // what the user points at says its version when it runs
				found["version"] = ollama.Version
			}
			return found
		}
		return nil
	}
	defer s.client.Close()
	found := map[string]string{"server": serverOllama + " " + s.version, "server at": s.where}
	ctx, cancel := context.WithTimeout(context.Background(), limitFor(s.client))
	defer cancel()
	var list struct {
		Models []struct{} `json:"models"`
	}
	if s.client.Call(ctx, http.MethodGet, "/api/tags", nil, &list) == nil {
		found["models"] = strconv.Itoa(len(list.Models))
	}
	return found
}

// locateOllama is the user's server, else one of our own.
func locateOllama(ctx context.Context, spec Spec) (*ollamaServer, error) {
	s, err := findOllama(ctx)
	if err != nil {
		return nil, err
	}
	if s != nil {
		return s, userSetsParallel(spec)
	}
	binary, err := ollama.Find()
	if err != nil {
		return nil, &Unavailable{Reason: ServerNotFound, Detail: err.Error(), Remedy: ollamaMissing}
	}
	parallel, err := strconv.Atoi(spec.setting(settingParallel, parallelValues[0]))
	if err != nil {
		return nil, &Unavailable{Reason: SettingUnsupported, Detail: fmt.Sprintf("setting %s: %v", settingParallel, err)}
	}
	own, err := ollama.Start(ctx, binary, ollama.Options{Parallel: parallel})
	if err != nil {
		return nil, notStarted(err)
	}
	root, err := url.Parse(own.URL)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ollama: %w", err), own.Stop())
	}
	return &ollamaServer{root: root, client: stream.New(root, stream.Options{}), own: own, version: own.Version, where: "own", parallel: parallel}, nil
}

// notStarted says why a server of our own did not start.
func notStarted(err error) error {
	if errors.Is(err, ollama.ErrNoFolder) {
		return &Unavailable{Reason: FolderNotFound, Detail: err.Error(), Remedy: "set TMPDIR, HOME or XDG_CACHE_HOME, whichever it is, to a folder that takes files"}
	}
	return &Unavailable{Reason: ServerNotFound, Detail: err.Error()}
}

// setting is a setting's value, or its default.
func (s Spec) setting(name, otherwise string) string {
	if v := s.Settings[name]; v != "" {
		return v
	}
	return otherwise
}

// userSetsParallel refuses a setting that only a server of our own can be given.
func userSetsParallel(spec Spec) error {
	if spec.Settings[settingParallel] == "" {
		return nil
	}
	return &Unavailable{Reason: SettingUnsupported,
		Detail: "setting " + settingParallel + ": the server is not ours; it takes OLLAMA_NUM_PARALLEL where it is started"}
}

// at is a client of a part of the server.
func (s *ollamaServer) at(path string) *stream.Client {
	return stream.New(s.root.JoinPath(path), stream.Options{})
}

// processes are those of our own server: another's are not known.
func (s *ollamaServer) processes() []int {
	if s.own == nil {
		return nil
	}
	return []int{s.own.PID()}
}

func (s *ollamaServer) close() error {
	s.client.Close()
	if s.own == nil {
		return nil
	}
	return s.own.Stop()
}

// explain says of an error of the network whether it is our own server that has ended, which is no matter of finding one.
func (s *ollamaServer) explain(err error) error {
	if s == nil || s.own == nil || !errors.Is(err, stream.ErrLost) && !errors.Is(err, stream.ErrUnreachable) {
		return err
	}
	select {
	case <-s.own.Ended():
		return &RunError{Reason: ServerLost, Detail: "our own server has ended: " + err.Error()}
	case <-time.After(endLimit):
		return err
	}
}

// endLimit is how long after a connection broke a server's end may be noticed.
const endLimit = time.Second
