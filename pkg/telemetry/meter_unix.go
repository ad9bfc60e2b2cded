//go:build unix

package telemetry

import (
	"os/exec"
	"syscall"
)

var shellName = []string{"/bin/sh", "-c"}

// endTogether puts the command in a process group of its own, and lets its end be the group's.
func endTogether(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
