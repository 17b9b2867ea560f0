//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain makes the test binary the supervisor, as the program itself does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == superviseWord {
		if err := run(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// output collects what is told, and calls back when it has been told something.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	until string
	found func()
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.text.Write(p)
	if o.found != nil && strings.Contains(o.text.String(), o.until) {
		o.found()
		o.found = nil
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// temporary gives the quick start a place of its own, which has to be empty
// in the end.
func temporary(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "qs-") // short: a socket's path is limited
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(dir, "slapos-quickstart-*"))
		require.NoError(t, err)
		require.Empty(t, left)
		processes, err := processesOf(dir)
		require.NoError(t, err)
		require.Empty(t, processes)
		require.NoError(t, os.RemoveAll(dir))
	})
}

func TestQuickstart(t *testing.T) {
	temporary(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out := &output{}
	require.NoError(t, quickstart(ctx, out), "%s", out)
	for _, told := range []string{
		"<h1>Hello from SlapOS and Go</h1>", "A page of its own, from a shared instance.",
		"<resource>service_module/web_request</resource>", "no process is left", "the master wants no release and no instance",
	} {
		require.Contains(t, out.String(), told)
	}
}

// TestInterrupted ends the quick start while the release is compiled, and while
// instances run.
func TestInterrupted(t *testing.T) {
	for _, moment := range []string{"2. Supply", "published: url"} {
		temporary(t)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		out := &output{until: moment, found: cancel}
		err := quickstart(ctx, out)
		require.ErrorIs(t, err, context.Canceled, "%s", out)
		require.ErrorContains(t, err, "interrupted in step ")
		require.NotContains(t, err.Error(), "killed")
	}
}
