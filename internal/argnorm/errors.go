package argnorm

import "strings"

// UsageError is a line that the program, or one of its commands, does not
// understand.
type UsageError struct {
	// Program is the program's name, with the command's if it is the
	// command that refuses: "slapos supply".
	Program string
	// Command is the command's name, empty for the program itself.
	Command string
	// Reason says what is wrong, in the documented words.
	Reason string
}

// Error is the last line of the documented usage message.
func (e *UsageError) Error() string { return e.Program + ": error: " + e.Reason }

// InvalidOptionError is an unknown option where a command is expected.
type InvalidOptionError struct {
	Program string // the program's name
	Option  string // the word as typed
}

// Error is the documented message.
func (e *InvalidOptionError) Error() string {
	return e.Program + ": invalid option '" + e.Option + "'"
}

// UnknownCommandError is a line whose first words name no command.
type UnknownCommandError struct {
	Program  string   // the program's name
	Words    []string // the words that were tried
	Commands []string // the names of all commands, sorted
}

// Error is the documented message, which lists the commands.
func (e *UnknownCommandError) Error() string {
	return e.Program + ": the command '" + strings.Join(e.Words, " ") +
		"' does not exist or is not yet implemented.\n\nAvailable commands: '" +
		strings.Join(e.Commands, "', '") + "'"
}
