package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Reasons why a command cannot be started, for the faults of the interface.
var (
	errNoFile        = errors.New("no such file")
	errNotExecutable = errors.New("not executable")
)

// commandError is a reason with the text that supervisord shows.
type commandError struct {
	reason error
	text   string
}

func (e *commandError) Error() string { return e.text }
func (e *commandError) Unwrap() error { return e.reason }

// defaultPath is searched when the environment has no PATH.
const defaultPath = "/bin:/usr/bin:/usr/local/bin"

// resolveCommand turns a command line into a file and its arguments. path is
// the value of PATH for a command without a slash.
func resolveCommand(command, path string) (file string, argv []string, err error) {
	argv, err = splitCommand(command)
	if err != nil {
		return "", nil, &commandError{errNotExecutable, fmt.Sprintf("can't parse command '%s': %v", command, err)}
	}
	if len(argv) == 0 {
		return "", nil, &commandError{errNotExecutable, "command is empty"}
	}
	file = argv[0]
	if !strings.Contains(file, "/") {
		file = search(file, path)
	}
	return file, argv, checkExecutable(file)
}

// search returns the first file of this name in the directories of path, or
// the name itself.
func search(name, path string) string {
	if path == "" {
		path = defaultPath
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return name
}

func checkExecutable(file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !strings.Contains(file, "/"):
		return &commandError{errNoFile, fmt.Sprintf("can't find command '%s'", file)}
	case err != nil:
		return &commandError{errNoFile, fmt.Sprintf("can't find command '%s': %v", file, err)}
	case info.IsDir():
		return &commandError{errNotExecutable, fmt.Sprintf("command at '%s' is a directory", file)}
	case info.Mode()&0o111 == 0:
		return &commandError{errNotExecutable, fmt.Sprintf("command at '%s' is not executable", file)}
	case unix.Access(file, unix.X_OK) != nil:
		return &commandError{errNotExecutable, fmt.Sprintf("no permission to run command '%s'", file)}
	}
	return nil
}
