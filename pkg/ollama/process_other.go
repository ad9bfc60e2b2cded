//go:build !windows && !linux

package ollama

import "syscall"

// attributes put the server into a process group of its own. Only Linux can tie its life to its parent's.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
