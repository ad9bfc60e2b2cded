//go:build !windows

package ollama

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary also plays the server, its runner, and a process that starts a server.
func TestMain(m *testing.M) {
	switch mode := os.Getenv("FAKE_OLLAMA"); {
	case mode == "":
		os.Exit(m.Run())
	case mode == "parent":
		parent()
	case len(os.Args) > 1 && os.Args[1] == "runner":
		time.Sleep(time.Hour)
	default:
		serve(mode)
	}
}

// fake is a program that behaves like `ollama serve` in the given way:
//
//	well      as the real one does
//	deaf      ignores SIGTERM
//	silent    runs and never answers
//	broken    says why it ends, and ends
//	taken     finds its port taken the first time
func fake(t *testing.T, mode string) Binary {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ollama")
	script := fmt.Sprintf("#!/bin/sh\nFAKE_OLLAMA=%s FAKE_DIR='%s' exec '%s' \"$@\"\n", mode, filepath.Dir(path), self)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return Binary{Path: path, Origin: "test"}
}

func serve(mode string) {
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	runner := startRunner()
	fmt.Println("runner", runner.Process.Pid)
	go func() {
		for range terms {
			if mode == "deaf" {
				continue
			}
			_ = runner.Process.Kill()
			os.Exit(0)
		}
	}()
	switch mode {
	case "broken":
		fmt.Fprintln(os.Stderr, "Error: no such luck")
		os.Exit(1)
	case "taken":
		if first := os.Mkdir(filepath.Join(os.Getenv("FAKE_DIR"), "tried"), 0o755); first == nil {
			fmt.Fprintln(os.Stderr, "Error: listen tcp: bind: address already in use")
			os.Exit(1)
		}
	case "silent":
		select {}
	}
	http.HandleFunc("/api/version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"version":"9.9.9"}`) })
	http.HandleFunc("/environment", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(os.Environ()) })
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Getenv("OLLAMA_HOST"), nil))
	os.Exit(1)
}

// startRunner starts the process that would compute.
func startRunner() *exec.Cmd {
	runner := exec.Command(os.Args[0], "runner")
	if err := runner.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return runner
}

// runnerPID is what the fake server has logged.
func runnerPID(t *testing.T, s *Server) int {
	t.Helper()
	_, after, found := strings.Cut(s.LogTail(), "runner ")
	pid, err := strconv.Atoi(strings.Fields(after + " ?")[0])
	if !found || err != nil {
		t.Fatalf("the log names no runner: %s", s.LogTail())
	}
	return pid
}

// gone waits until there is no such process.
func gone(t *testing.T, what string, pid int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if !running(pid) {
			return
		}
	}
	t.Errorf("the %s, process %d, is still there", what, pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// running says whether a process computes or could: one that has ended and that nobody has asked about does not count.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !os.IsNotExist(err)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return state[0] != 'Z' && state[0] != 'X'
}

// parent starts the program $FAKE_SERVER, says where the server and its runner are, and waits to be killed.
func parent() {
	s, err := Start(context.Background(), Binary{Path: os.Getenv("FAKE_SERVER")}, Options{ModelsDir: os.Getenv("FAKE_MODELS")})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_, runner, _ := strings.Cut(s.LogTail(), "runner ")
	fmt.Println(s.PID(), s.URL, strings.TrimSpace(runner)) // the real server has none yet, and does not say so
	select {}
}
