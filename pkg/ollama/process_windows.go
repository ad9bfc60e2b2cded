package ollama

import (
	"os"
	"syscall"
)

// attributes keep Ctrl-C on the terminal from the server.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// terminate ends the server; its runner, to which it holds the pipes, ends with it.
func terminate(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill() // it may have ended already
	}
}

func killGroup(int) {}
