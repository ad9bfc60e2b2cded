//go:build !windows

package ollama

import "syscall"

// terminate asks the server to end, which ends its runner first.
func terminate(pid int) { _ = syscall.Kill(pid, syscall.SIGTERM) } // it may have ended already

// killGroup ends what is left of the server and its runner, which is in its group.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // nothing may be left
