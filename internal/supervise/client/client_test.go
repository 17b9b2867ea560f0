package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slapos/slapos-go/internal/xmlrpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers calls from a table and notes them.
type fake struct {
	answers map[string]func(args []any) (any, error)
	calls   []string
}

func (f *fake) Call(_ context.Context, method string, args []any) (any, error) {
	call := method
	for _, a := range args {
		if s, ok := a.(string); ok {
			call += " " + s
		}
	}
	f.calls = append(f.calls, call)
	answer, ok := f.answers[method]
	if !ok {
		return true, nil
	}
	return answer(args)
}

// newClient returns a client of a fake daemon that does not wait.
func newClient(t *testing.T, f *fake) *Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "cl-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: xmlrpc.Handler(f)}}
	server.Start()
	t.Cleanup(server.Close)
	c, err := New(socket)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	c.wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return c
}

func changes(added, changed, removed []any) func([]any) (any, error) {
	return func([]any) (any, error) { return []any{[]any{added, changed, removed}}, nil }
}

func results(status int) func([]any) (any, error) {
	return func(args []any) (any, error) {
		return []any{map[string]any{"name": "a", "group": args[0], "status": status, "description": ""}}, nil
	}
}

func TestUpdate(t *testing.T) {
	f := &fake{answers: map[string]func([]any) (any, error){
		"supervisor.reloadConfig":     changes([]any{"new"}, []any{"other"}, []any{"gone"}),
		"supervisor.stopProcessGroup": results(FaultSuccess),
	}}
	did, err := newClient(t, f).Update(t.Context())
	require.NoError(t, err)
	require.Equal(t, Updated{Added: []string{"new"}, Changed: []string{"other"}, Removed: []string{"gone"}}, did)
	require.Equal(t, []string{
		"supervisor.reloadConfig",
		"supervisor.stopProcessGroup gone", "supervisor.removeProcessGroup gone",
		"supervisor.stopProcessGroup other", "supervisor.removeProcessGroup other", "supervisor.addProcessGroup other",
		"supervisor.addProcessGroup new",
	}, f.calls)
}

// TestUpdateIsPatient: a process that was told to stop may need a moment to be gone.
func TestUpdateIsPatient(t *testing.T) {
	tries := 0
	f := &fake{answers: map[string]func([]any) (any, error){
		"supervisor.reloadConfig":     changes(nil, nil, []any{"gone"}),
		"supervisor.stopProcessGroup": results(FaultFailed),
		"supervisor.removeProcessGroup": func([]any) (any, error) {
			if tries++; tries < 10 {
				return nil, NewFault(FaultStillRunning, "gone")
			}
			return true, nil
		},
	}}
	c := newClient(t, f)
	did, err := c.Update(t.Context())
	require.NoError(t, err)
	require.Equal(t, Updated{Removed: []string{"gone"}, Failed: []string{"gone"}}, did)
	require.False(t, did.Empty())

	tries = -100
	_, err = c.Update(t.Context())
	require.True(t, IsFault(err, FaultStillRunning), "%v", err)
	require.ErrorContains(t, err, "gone")
	require.Equal(t, -90, tries)
}

// TestUpdateRaces: somebody else may have done the same at the same time.
func TestUpdateRaces(t *testing.T) {
	f := &fake{answers: map[string]func([]any) (any, error){
		"supervisor.reloadConfig":       changes([]any{"new"}, []any{"other"}, []any{"gone"}),
		"supervisor.stopProcessGroup":   func([]any) (any, error) { return nil, NewFault(FaultBadName, "gone") },
		"supervisor.removeProcessGroup": func([]any) (any, error) { return nil, NewFault(FaultBadName, "gone") },
		"supervisor.addProcessGroup":    func([]any) (any, error) { return nil, NewFault(FaultAlreadyAdded, "new") },
	}}
	_, err := newClient(t, f).Update(t.Context())
	require.NoError(t, err)
}

func TestUpdateFails(t *testing.T) {
	for _, method := range []string{"reloadConfig", "stopProcessGroup", "removeProcessGroup", "addProcessGroup"} {
		f := &fake{answers: map[string]func([]any) (any, error){
			"supervisor.reloadConfig":     changes(nil, []any{"other"}, nil),
			"supervisor.stopProcessGroup": results(FaultSuccess),
		}}
		f.answers["supervisor."+method] = func([]any) (any, error) { return nil, NewFault(FaultShutdownState, "") }
		_, err := newClient(t, f).Update(t.Context())
		require.True(t, IsFault(err, FaultShutdownState), "%s: %v", method, err)
	}
}

// TestUnexpected: whatever a daemon answers is an error or a value, never a panic.
func TestUnexpected(t *testing.T) {
	answers := []any{nil, true, 1, "x", []any{}, []any{1}, []any{[]any{}}, []any{[]any{1, 2, 3}}, map[string]any{}, []any{"", 0}, []any{1, "", 2}}
	ctx := t.Context()
	for _, answer := range answers {
		f := &fake{answers: map[string]func([]any) (any, error){}}
		for _, m := range []string{
			"getState", "getPID", "getSupervisorVersion", "reloadConfig", "getAllProcessInfo", "getProcessInfo", "startProcessGroup",
			"tailProcessStdoutLog", "readProcessStdoutLog", "getAllConfigInfo",
		} {
			f.answers["supervisor."+m] = func([]any) (any, error) { return answer, nil }
		}
		f.answers["system.listMethods"] = f.answers["supervisor.getState"]
		f.answers["system.multicall"] = f.answers["supervisor.getState"]
		c := newClient(t, f)
		_, err := c.State(ctx)
		require.Error(t, err)
		_, err = c.ReloadConfig(ctx)
		require.Error(t, err)
		_, _ = c.PID(ctx)
		_, _ = c.Version(ctx)
		_, _ = c.AllProcessInfo(ctx)
		_, _ = c.ProcessInfo(ctx, "x")
		_, _ = c.StartProcessGroup(ctx, "x", false)
		_, err = c.TailProcessLog(ctx, "x", Stdout, 0, 1)
		require.Error(t, err)
		_, _ = c.ReadProcessLog(ctx, "x", Stdout, 0, 1)
		_, _ = c.AllConfigInfo(ctx)
		_, _ = c.Methods(ctx)
		_, err = c.Multicall(ctx, []Call{{Method: "a"}, {Method: "b"}})
		if list, ok := answer.([]any); !ok || len(list) != 2 {
			require.Error(t, err)
		}
	}
}

func TestNoDaemon(t *testing.T) {
	c, err := New("/nowhere/sv.sock")
	require.NoError(t, err)
	_, err = c.State(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.False(t, IsFault(err, FaultBadName))
	_, err = New("")
	require.Error(t, err)
}

func TestNames(t *testing.T) {
	require.Equal(t, "RUNNING", Running.String())
	require.Equal(t, "77", State(77).String())
	require.Equal(t, "SHUTDOWN", DaemonShutdown.String())
	require.Equal(t, "9", DaemonState(9).String())
	require.Equal(t, "BAD_NAME: x", NewFault(FaultBadName, "x").String)
	require.Equal(t, "4711", FaultName(4711))
	for _, s := range []State{Starting, Running, Backoff} {
		require.True(t, s.IsRunning() && !s.IsStopped(), s)
	}
	for _, s := range []State{Stopped, Exited, Fatal, Unknown} {
		require.True(t, s.IsStopped() && !s.IsRunning(), s)
	}
	require.False(t, Stopping.IsRunning() || Stopping.IsStopped())
	require.Equal(t, "a", ProcessInfo{Name: "a", Group: "a"}.FullName())
	require.Equal(t, "g:a", ProcessInfo{Name: "a", Group: "g"}.FullName())
}

func TestSleep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, sleep(ctx, time.Millisecond))
	cancel()
	require.True(t, errors.Is(sleep(ctx, time.Hour), context.Canceled))
}
