package client

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/slapos/slapos-go/internal/xmlrpc"
)

// Client calls one daemon. It is safe for concurrent use.
type Client struct {
	rpc  *xmlrpc.Client
	log  *slog.Logger
	wait func(ctx context.Context, d time.Duration) error
}

// Option configures a Client.
type Option func(*Client)

// WithLogger sends the messages of Update to log; by default they are dropped.
func WithLogger(log *slog.Logger) Option { return func(c *Client) { c.log = log } }

// WithUser authenticates calls, for a daemon whose configuration asks for it.
func WithUser(user, password string) Option {
	return func(c *Client) { c.rpc.SetUser(user, password) }
}

// New returns a client of the daemon that listens on the unix socket at path.
// It does no I/O.
func New(socket string, opts ...Option) (*Client, error) {
	return NewURL("unix://"+socket, opts...)
}

// NewURL is New for a serverurl of a [supervisorctl] section: unix:// or http://.
func NewURL(serverURL string, opts ...Option) (*Client, error) {
	rpc, err := xmlrpc.NewClient(serverURL)
	if err != nil {
		return nil, err
	}
	c := &Client{rpc: rpc, log: slog.New(slog.DiscardHandler), wait: sleep}
	for _, opt := range opts {
		opt(c)
	}
	return c, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.rpc.Close() }

// State returns the state of the daemon (getState).
func (c *Client) State(ctx context.Context) (DaemonState, error) {
	v, err := c.call(ctx, "getState")
	if err != nil {
		return 0, err
	}
	code, ok := field[int](v, "statecode")
	if !ok {
		return 0, unexpected("getState", v)
	}
	return DaemonState(code), nil
}

// PID returns the process id of the daemon (getPID).
func (c *Client) PID(ctx context.Context) (int, error) { return call[int](ctx, c, "getPID") }

// Version returns the version of the daemon (getSupervisorVersion).
func (c *Client) Version(ctx context.Context) (string, error) {
	return call[string](ctx, c, "getSupervisorVersion")
}

// APIVersion returns the version of the interface (getAPIVersion).
func (c *Client) APIVersion(ctx context.Context) (string, error) {
	return call[string](ctx, c, "getAPIVersion")
}

// Identification returns the identifier of the daemon's configuration (getIdentification).
func (c *Client) Identification(ctx context.Context) (string, error) {
	return call[string](ctx, c, "getIdentification")
}

// Shutdown tells the daemon to stop all its processes and end (shutdown). It
// returns before that has happened.
func (c *Client) Shutdown(ctx context.Context) error { return c.do(ctx, "shutdown") }

// Restart tells the daemon to stop everything and to begin again with its
// configuration read anew (restart). It returns before that has happened.
func (c *Client) Restart(ctx context.Context) error { return c.do(ctx, "restart") }

// Methods returns the names of the methods of the daemon (system.listMethods).
func (c *Client) Methods(ctx context.Context) ([]string, error) {
	v, err := c.rpc.Call(ctx, "system.listMethods")
	if err != nil {
		return nil, err
	}
	names, ok := stringList(v)
	if !ok {
		return nil, unexpected("system.listMethods", v)
	}
	return names, nil
}

// Call is one call of a Multicall: the full name of the method and its arguments.
type Call struct {
	Method string
	Args   []any
}

// Multicall makes several calls in one request (system.multicall). The result
// holds, in order, the value or the *xmlrpc.Fault of each.
func (c *Client) Multicall(ctx context.Context, calls []Call) ([]any, error) {
	list := make([]any, len(calls))
	for i, call := range calls {
		args := call.Args
		if args == nil {
			args = []any{}
		}
		list[i] = map[string]any{"methodName": call.Method, "params": args}
	}
	v, err := c.rpc.Call(ctx, "system.multicall", list)
	if err != nil {
		return nil, err
	}
	results, ok := v.([]any)
	if !ok || len(results) != len(calls) {
		return nil, unexpected("system.multicall", v)
	}
	for i, r := range results {
		code, okCode := field[int](r, "faultCode")
		text, okText := field[string](r, "faultString")
		if okCode && okText {
			results[i] = &xmlrpc.Fault{Code: code, String: text}
		}
	}
	return results, nil
}

// ReadMainLog returns length bytes of the daemon's own log from offset;
// length 0 means up to the end, a negative offset counts from the end (readLog).
func (c *Client) ReadMainLog(ctx context.Context, offset, length int) (string, error) {
	return call[string](ctx, c, "readLog", offset, length)
}

// ClearMainLog empties the daemon's own log (clearLog).
func (c *Client) ClearMainLog(ctx context.Context) error { return c.do(ctx, "clearLog") }

// FollowMainLog opens the daemon's own log near its end; reading waits for what
// is appended until ctx ends. The caller closes it.
func (c *Client) FollowMainLog(ctx context.Context) (io.ReadCloser, error) {
	return c.rpc.Get(ctx, "/mainlogtail")
}

// call calls a method of the supervisor namespace.
func (c *Client) call(ctx context.Context, method string, args ...any) (any, error) {
	return c.rpc.Call(ctx, "supervisor."+method, args...)
}

// do calls a method whose result says nothing.
func (c *Client) do(ctx context.Context, method string, args ...any) error {
	_, err := c.call(ctx, method, args...)
	return err
}

// call calls a method whose result has type T.
func call[T any](ctx context.Context, c *Client, method string, args ...any) (T, error) {
	var zero T
	v, err := c.call(ctx, method, args...)
	if err != nil {
		return zero, err
	}
	result, ok := v.(T)
	if !ok {
		return zero, unexpected(method, v)
	}
	return result, nil
}

func unexpected(method string, v any) error {
	return fmt.Errorf("%s: the daemon answered with an unexpected %T", method, v)
}

// field returns a member of a struct if v is one and the member has type T.
func field[T any](v any, name string) (T, bool) {
	members, _ := v.(map[string]any)
	value, ok := members[name].(T)
	return value, ok
}

func stringList(v any) ([]string, bool) {
	items, ok := v.([]any)
	if !ok {
		return nil, false
	}
	names := make([]string, len(items))
	for i, item := range items {
		if names[i], ok = item.(string); !ok {
			return nil, false
		}
	}
	return names, true
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
