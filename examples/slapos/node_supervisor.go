package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/internal/supervise"
)

// supervisorWord is the hidden command under which this program is the embedded
// supervisor. It contains the program's documented name, by which other agents
// recognise a living process, whatever the file of the program is called.
const supervisorWord = "slapos-supervisor"

// supervisorCommand is the command line that starts the embedded supervisor; the
// path of its configuration is appended to it.
func supervisorCommand() ([]string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return []string{program, "node", supervisorWord}, nil
}

// newNodeSupervisor is the hidden "slapos node slapos-supervisor".
func newNodeSupervisor(a *app) *cobra.Command {
	cmd := leaf(nodeGroup, supervisorWord+" configuration", "be the supervisor, in the foreground",
		"Runs until it is told to shut down. The node agent launches it.",
		func(cmd *cobra.Command, args []string) error {
			err := supervise.Run(cmd.Context(), supervise.Options{ConfigFile: args[0], Logger: a.log})
			if errors.Is(err, supervise.ErrAlreadyRunning) {
				a.log.Error(err.Error())
				return status(supervise.ExitAlreadyRunning)
			}
			return err
		})
	cmd.Hidden = true
	return cmd
}
