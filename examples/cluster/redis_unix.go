//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// spare keeps a terminal's Ctrl-C, which is for its whole process group, from
// ending cmd before those who need it have ended.
func spare(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
