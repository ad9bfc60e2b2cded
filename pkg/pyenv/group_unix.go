//go:build !windows

package pyenv

import (
	"os/exec"
	"syscall"
)

// ownGroup starts the command in a process group of its own, all of which ends when the command is cancelled: what is
// called a Python may be a script that starts another program.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
