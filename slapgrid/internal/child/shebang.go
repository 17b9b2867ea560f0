package child

import (
	"bufio"
	"io"
	"os"
	"strings"
	"syscall"
)

// Interpreted returns the command line of a script: the words of its first
// line and its path, so that the kernel's limit on that line does not matter.
// A file without such a line is run as it is.
func Interpreted(path string) []string {
	first, _ := firstLines(path)
	if words, ok := strings.CutPrefix(first, "#!"); ok {
		if fields := strings.Fields(words); len(fields) > 0 {
			return append(fields, path)
		}
	}
	return []string{path}
}

// Interpreter returns the Python that a script runs with: the first word of
// its first line or, behind a shell, the program of an exec on the second. It
// is empty when there is none.
func Interpreter(path string) string {
	first, second := firstLines(path)
	words, ok := strings.CutPrefix(first, "#!")
	fields := strings.Fields(words)
	if !ok || len(fields) == 0 {
		return ""
	}
	if fields[0] != "/bin/sh" {
		return fields[0]
	}
	fields = strings.Fields(second)
	if len(fields) > 1 && strings.Trim(fields[0], `"'`) == "exec" {
		return strings.Trim(fields[1], `"'`)
	}
	return ""
}

// firstLines reads the first two lines of a regular file, bounded. The release
// may have put a pipe there, which is not waited for.
func firstLines(path string) (first, second string) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", ""
	}
	r := bufio.NewReader(io.LimitReader(f, 64<<10))
	first, _ = r.ReadString('\n')
	second, _ = r.ReadString('\n')
	return strings.TrimRight(first, "\r\n"), strings.TrimRight(second, "\r\n")
}
