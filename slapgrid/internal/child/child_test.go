package child

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slapos/slapos-go/internal/descriptors"
)

func TestMain(m *testing.M) {
	if os.Getenv(agentCommand) != "" {
		os.Exit(runAgent(os.Args[1]))
	}
	goleak.VerifyTestMain(m)
}

func sh(script string) Command {
	return Command{
		Args: []string{"/bin/sh", "-c", script}, Dir: "/", AllowRoot: true,
		Env: []string{"PATH=" + os.Getenv("PATH")},
	}
}

func TestRunKeepsAndLogsOutput(t *testing.T) {
	tests := []struct {
		name, script string
		lines        []string
		output       string
		code         int
	}{
		{"status", "echo out; echo err >&2; exit 3", []string{"out", "err"}, "out\nerr\n", 3},
		{"partial writes", "printf a; sleep .05; printf 'b\nc'", []string{"ab", "c"}, "ab\nc", 0},
		{"utf-8", "printf 'h\\303\\251\n\\377\n'", []string{"hé", "\uFFFD"}, "hé\n\uFFFD\n", 0},
		{"nothing", "true", nil, "", 0},
		{"long line", "head -c 10000 /dev/zero | tr '\\0' x", []string{strings.Repeat("x", 10000)}, strings.Repeat("x", 10000), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var lines []string
			c := sh(tt.script)
			c.Line = func(l string) { lines = append(lines, l) }
			res, err := Run(context.Background(), c)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tt.lines, lines))
			require.Equal(t, tt.output, res.Output)
			require.Equal(t, tt.code, res.ExitCode)
		})
	}
}

func TestRunSeparatesStderrAndFeedsStdin(t *testing.T) {
	c := sh("cat; echo bad >&2")
	c.Stdin, c.Stderr = []byte("given\n"), true
	res, err := Run(context.Background(), c)
	require.NoError(t, err)
	require.Equal(t, "given\n", res.Output)
	require.Equal(t, "bad\n", res.Stderr)
}

func TestRunSetsUmaskInTheChildOnly(t *testing.T) {
	before := syscall.Umask(0o022)
	defer syscall.Umask(before)
	c := sh("umask; echo \"$1\"")
	c.Args = append(c.Args, "sh", "two words")
	c.Umask = 0o027
	res, err := Run(context.Background(), c)
	require.NoError(t, err)
	require.Equal(t, "0027\ntwo words\n", res.Output)
	require.Equal(t, 0o022, syscall.Umask(0o022))
}

func TestRunEndsTheWholeTree(t *testing.T) {
	for _, end := range []string{"timeout", "cancel", "grace"} {
		t.Run(end, func(t *testing.T) {
			dir := t.TempDir()
			c := sh("(sleep 600 & echo $! > grandchild; wait) & echo begun; printf unfinished; sleep 600")
			c.Dir = dir
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var lines []string
			c.Line = func(l string) { lines = append(lines, l) }
			started := time.Now()
			switch end {
			case "timeout":
				c.Timeout = 300 * time.Millisecond
			case "grace":
				c.Timeout, c.Grace = 300*time.Millisecond, time.Second
			default:
				time.AfterFunc(300*time.Millisecond, cancel)
			}
			res, err := Run(ctx, c)
			if end == "cancel" {
				require.ErrorIs(t, err, context.Canceled)
			} else {
				var timeout *TimeoutError
				require.ErrorAs(t, err, &timeout)
				require.Contains(t, err.Error(), "timed out after 0.3 seconds")
			}
			require.GreaterOrEqual(t, time.Since(started), 250*time.Millisecond)
			require.Equal(t, "begun\nunfinished", res.Output)
			require.Equal(t, []string{"begun"}, lines)
			data, err := os.ReadFile(filepath.Join(dir, "grandchild"))
			require.NoError(t, err)
			pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
			require.NoError(t, err)
			require.Eventually(t, func() bool { return gone(pid) }, 10*time.Second, 5*time.Millisecond)
		})
	}
}

// gone tells whether a process has ended; a zombie has.
func gone(pid int) bool {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || strings.Contains(string(data), ") Z ")
}

func TestRunDoesNotWaitForDaemonsThatKeepThePipe(t *testing.T) {
	c := sh("sleep 600 & echo $!")
	res, err := Run(context.Background(), c)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(res.Output))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}

func TestRunRefusesRoot(t *testing.T) {
	c := sh("true")
	c.AllowRoot, c.User = false, User{UID: 0, GID: 5}
	_, err := Run(context.Background(), c)
	require.EqualError(t, err, "Dropping privileges to uid = 0 or gid = 5 is too dangerous")
}

func TestRunBecomesTheOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can change users")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chown(dir, 65534, 65534))
	owner, err := OwnerOf(dir)
	require.NoError(t, err)
	c := sh("id -u; id -g; id -G")
	c.AllowRoot, c.User = false, owner
	res, err := Run(context.Background(), c)
	require.NoError(t, err)
	require.Equal(t, "65534\n65534\n65534\n", res.Output)
}

func TestNoDescriptorLeaks(t *testing.T) {
	leak, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0) // not close on exec
	require.NoError(t, err)
	defer syscall.Close(leak)
	require.NoError(t, descriptors.Seal())
	script := "i=3; while [ $i -lt 64 ]; do [ -e /proc/$$/fd/$i ] && echo $i; i=$((i+1)); done"
	res, err := Run(context.Background(), sh(script))
	require.NoError(t, err)
	require.Empty(t, res.Output)
}

func TestCleanEnviron(t *testing.T) {
	got := CleanEnviron([]string{"PATH=/bin", "PYTHONPATH=/x", "LANG=fr", "LC_ALL=C", "HOME=/root", "A=1"}, "/srv", "A=2")
	require.Empty(t, cmp.Diff([]string{"PATH=/bin", "LC_ALL=C", "HOME=/srv", "PYTHONNOUSERSITE=true", "A=2"}, got))
	require.Equal(t, "2", Lookup(got, "A"))
	require.Empty(t, Lookup(got, "PYTHONPATH"))
}

func TestInterpreter(t *testing.T) {
	tests := []struct {
		content, interpreter string
		args                 []string
	}{
		{"#!/usr/bin/python3 -S\nx", "/usr/bin/python3", []string{"/usr/bin/python3", "-S"}},
		{"#!/bin/sh\n\"exec\" \"/opt/python\" \"$0\" \"$@\"\n", "/opt/python", []string{"/bin/sh"}},
		{"#!/bin/sh\necho\n", "", []string{"/bin/sh"}},
		{"binary", "", nil},
		{"", "", nil},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "script")
		require.NoError(t, os.WriteFile(path, []byte(tt.content), 0o755))
		require.Equal(t, tt.interpreter, Interpreter(path))
		require.Equal(t, append(tt.args, path), Interpreted(path))
	}
	require.Empty(t, Interpreter("/does/not/exist"))
}

func TestKeptOutputIsBounded(t *testing.T) {
	o := &output{limit: 1000}
	for range 100 {
		_, err := o.Write([]byte(strings.Repeat("y", 99) + "\n"))
		require.NoError(t, err)
	}
	require.Less(t, len(o.text()), 1400)
	require.Contains(t, o.text(), "bytes left out]")
}

// A child that kept the operator's terminal could type commands there.
func TestChildHasASessionOfItsOwn(t *testing.T) {
	res, err := Run(t.Context(), Command{Args: []string{"/bin/sh", "-c", `read -r line < /proc/$$/stat; set -- ${line##*) }; echo $$ $4; (: < /dev/tty) 2>/dev/null && echo terminal; true`}, AllowRoot: true})
	require.NoError(t, err)
	fields := strings.Fields(res.Output)
	require.Len(t, fields, 2, "no terminal can be opened: %s", res.Output)
	require.Equal(t, fields[0], fields[1], "the child leads its session")
}
