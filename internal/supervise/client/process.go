package client

import (
	"context"
	"io"
	"net/url"
)

// ProcessInfo is what the daemon knows about one process.
type ProcessInfo struct {
	Name, Group   string
	Description   string // "pid 123, uptime 0:01:02" and the like
	State         State
	StateName     string
	Start         int // seconds since 1970 of the last start, 0 if never
	Stop          int // seconds since 1970 of the last end, 0 if never
	Now           int // the daemon's clock, seconds since 1970
	SpawnError    string
	ExitStatus    int // of the last end; -1 after a signal
	PID           int // 0 if not running
	StdoutLogFile string
	StderrLogFile string
}

// FullName returns group:name, or just the name when both are equal, as
// supervisorctl prints it.
func (p ProcessInfo) FullName() string {
	if p.Group == p.Name {
		return p.Name
	}
	return p.Group + ":" + p.Name
}

// ProcessResult is the outcome for one process of a call about many.
type ProcessResult struct {
	Name, Group string
	Status      int // FaultSuccess, or why not
	Description string
}

// Changes tells how the configuration on disk differs from what the daemon
// has loaded. The lists hold names of groups.
type Changes struct {
	Added, Changed, Removed []string
}

// AllProcessInfo returns what is known about every process (getAllProcessInfo).
func (c *Client) AllProcessInfo(ctx context.Context) ([]ProcessInfo, error) {
	list, err := call[[]any](ctx, c, "getAllProcessInfo")
	if err != nil {
		return nil, err
	}
	infos := make([]ProcessInfo, len(list))
	for i, v := range list {
		infos[i] = processInfo(v)
	}
	return infos, nil
}

// ProcessInfo returns what is known about one process (getProcessInfo). The
// name is group:process, or just the process if its group has the same name.
// An unknown one is FaultBadName.
func (c *Client) ProcessInfo(ctx context.Context, name string) (ProcessInfo, error) {
	v, err := c.call(ctx, "getProcessInfo", name)
	if err != nil {
		return ProcessInfo{}, err
	}
	return processInfo(v), nil
}

// ReloadConfig makes the daemon read its configuration files and compare them
// with what is loaded (reloadConfig). Nothing is applied: see Update.
func (c *Client) ReloadConfig(ctx context.Context) (Changes, error) {
	v, err := c.call(ctx, "reloadConfig")
	if err != nil {
		return Changes{}, err
	}
	outer, _ := v.([]any)
	if len(outer) != 1 {
		return Changes{}, unexpected("reloadConfig", v)
	}
	inner, _ := outer[0].([]any)
	if len(inner) != 3 {
		return Changes{}, unexpected("reloadConfig", v)
	}
	var lists [3][]string
	for i, item := range inner {
		var ok bool
		if lists[i], ok = stringList(item); !ok {
			return Changes{}, unexpected("reloadConfig", v)
		}
	}
	return Changes{Added: lists[0], Changed: lists[1], Removed: lists[2]}, nil
}

// AddProcessGroup loads a group that the last ReloadConfig found and starts
// those of its processes that have autostart (addProcessGroup). Faults:
// FaultAlreadyAdded, FaultBadName.
func (c *Client) AddProcessGroup(ctx context.Context, group string) error {
	return c.do(ctx, "addProcessGroup", group)
}

// RemoveProcessGroup forgets a group whose processes are all stopped
// (removeProcessGroup). Faults: FaultStillRunning, FaultBadName.
func (c *Client) RemoveProcessGroup(ctx context.Context, group string) error {
	return c.do(ctx, "removeProcessGroup", group)
}

// StartProcess starts a process (startProcess); with wait it returns when the
// process is RUNNING. Faults: FaultBadName, FaultNoFile, FaultNotExecutable,
// FaultAlreadyStarted, FaultSpawnError, FaultAbnormalTermination.
func (c *Client) StartProcess(ctx context.Context, name string, wait bool) error {
	return c.do(ctx, "startProcess", name, wait)
}

// StartProcessGroup starts every process of a group that is not up
// (startProcessGroup). An unknown group is FaultBadName.
func (c *Client) StartProcessGroup(ctx context.Context, group string, wait bool) ([]ProcessResult, error) {
	return c.results(ctx, "startProcessGroup", group, wait)
}

// StartAll starts every process that is not up (startAllProcesses).
func (c *Client) StartAll(ctx context.Context, wait bool) ([]ProcessResult, error) {
	return c.results(ctx, "startAllProcesses", wait)
}

// StopProcess stops a process (stopProcess); with wait it returns when the
// process has ended. Faults: FaultBadName, FaultNotRunning, FaultFailed.
func (c *Client) StopProcess(ctx context.Context, name string, wait bool) error {
	return c.do(ctx, "stopProcess", name, wait)
}

// StopProcessGroup stops every process of a group that is up
// (stopProcessGroup). An unknown group is FaultBadName.
func (c *Client) StopProcessGroup(ctx context.Context, group string, wait bool) ([]ProcessResult, error) {
	return c.results(ctx, "stopProcessGroup", group, wait)
}

// StopAll stops every process that is up (stopAllProcesses).
func (c *Client) StopAll(ctx context.Context, wait bool) ([]ProcessResult, error) {
	return c.results(ctx, "stopAllProcesses", wait)
}

// SignalProcess sends a signal, by name or number, to a process
// (signalProcess). Faults: FaultBadName, FaultBadSignal, FaultNotRunning.
func (c *Client) SignalProcess(ctx context.Context, name, signal string) error {
	return c.do(ctx, "signalProcess", name, signal)
}

// SignalProcessGroup sends a signal to every running process of a group (signalProcessGroup).
func (c *Client) SignalProcessGroup(ctx context.Context, group, signal string) ([]ProcessResult, error) {
	return c.results(ctx, "signalProcessGroup", group, signal)
}

// SignalAll sends a signal to every running process (signalAllProcesses).
func (c *Client) SignalAll(ctx context.Context, signal string) ([]ProcessResult, error) {
	return c.results(ctx, "signalAllProcesses", signal)
}

// Channel is one of the two output streams of a process.
type Channel string

// The output streams. With redirect_stderr everything is in Stdout.
const (
	Stdout Channel = "Stdout"
	Stderr Channel = "Stderr"
)

// ReadProcessLog returns length bytes of a process's log from offset; length
// 0 means up to the end, a negative offset counts from the end
// (readProcessStdoutLog, readProcessStderrLog). Faults: FaultBadName,
// FaultNoFile, FaultBadArguments, FaultFailed.
func (c *Client) ReadProcessLog(ctx context.Context, name string, ch Channel, offset, length int) (string, error) {
	return call[string](ctx, c, "readProcess"+string(ch)+"Log", name, offset, length)
}

// LogTail is the end of a log file.
type LogTail struct {
	Text     string
	Size     int  // of the file, in bytes: the offset for the next call
	Overflow bool // more was appended since offset than fits in the length asked for
}

// TailProcessLog returns at most length bytes from the end of a process's log
// (tailProcessStdoutLog, tailProcessStderrLog); offset is the Size of the last answer.
func (c *Client) TailProcessLog(ctx context.Context, name string, ch Channel, offset, length int) (LogTail, error) {
	method := "tailProcess" + string(ch) + "Log"
	v, err := call[[]any](ctx, c, method, name, offset, length)
	if err != nil {
		return LogTail{}, err
	}
	if len(v) != 3 {
		return LogTail{}, unexpected(method, v)
	}
	text, okText := v[0].(string)
	size, okSize := v[1].(int)
	overflow, okOverflow := v[2].(bool)
	if !okText || !okSize || !okOverflow {
		return LogTail{}, unexpected(method, v)
	}
	return LogTail{Text: text, Size: size, Overflow: overflow}, nil
}

// FollowProcessLog opens a process's log near its end; reading waits for what
// is appended until ctx ends. The caller closes it. An unknown process is an
// *xmlrpc.StatusError with status 404 or 410.
func (c *Client) FollowProcessLog(ctx context.Context, name string, ch Channel) (io.ReadCloser, error) {
	path := "/logtail/" + url.PathEscape(name)
	if ch == Stderr {
		path += "/stderr"
	}
	return c.rpc.Get(ctx, path)
}

// SendStdin writes text to the standard input of a process (sendProcessStdin).
// Faults: FaultBadName, FaultNotRunning, FaultNoFile.
func (c *Client) SendStdin(ctx context.Context, name, text string) error {
	return c.do(ctx, "sendProcessStdin", name, text)
}

// ClearProcessLogs empties the logs of a process (clearProcessLogs).
func (c *Client) ClearProcessLogs(ctx context.Context, name string) error {
	return c.do(ctx, "clearProcessLogs", name)
}

// ClearAllProcessLogs empties the logs of every process (clearAllProcessLogs).
func (c *Client) ClearAllProcessLogs(ctx context.Context) ([]ProcessResult, error) {
	return c.results(ctx, "clearAllProcessLogs")
}

// GroupConfig is what the configuration files say about one process (getAllConfigInfo).
type GroupConfig struct {
	Name, Group   string
	Autostart     bool
	InUse         bool // the group is loaded
	GroupPriority int
	Priority      int
}

// AllConfigInfo returns every process that the last read of the configuration
// files found (getAllConfigInfo).
func (c *Client) AllConfigInfo(ctx context.Context) ([]GroupConfig, error) {
	list, err := call[[]any](ctx, c, "getAllConfigInfo")
	if err != nil {
		return nil, err
	}
	configs := make([]GroupConfig, len(list))
	for i, v := range list {
		g := &configs[i]
		g.Name, _ = field[string](v, "name")
		g.Group, _ = field[string](v, "group")
		g.Autostart, _ = field[bool](v, "autostart")
		g.InUse, _ = field[bool](v, "inuse")
		g.GroupPriority, _ = field[int](v, "group_prio")
		g.Priority, _ = field[int](v, "process_prio")
	}
	return configs, nil
}

// results calls a method that answers about several processes.
func (c *Client) results(ctx context.Context, method string, args ...any) ([]ProcessResult, error) {
	list, err := call[[]any](ctx, c, method, args...)
	if err != nil {
		return nil, err
	}
	results := make([]ProcessResult, len(list))
	for i, v := range list {
		r := &results[i]
		r.Name, _ = field[string](v, "name")
		r.Group, _ = field[string](v, "group")
		r.Description, _ = field[string](v, "description")
		var ok bool
		if r.Status, ok = field[int](v, "status"); !ok {
			return nil, unexpected(method, v)
		}
	}
	return results, nil
}

// processInfo reads the struct of getProcessInfo; absent members stay zero.
func processInfo(v any) ProcessInfo {
	var p ProcessInfo
	p.Name, _ = field[string](v, "name")
	p.Group, _ = field[string](v, "group")
	p.Description, _ = field[string](v, "description")
	state, ok := field[int](v, "state")
	if !ok {
		state = int(Unknown)
	}
	p.State = State(state)
	p.StateName, _ = field[string](v, "statename")
	p.Start, _ = field[int](v, "start")
	p.Stop, _ = field[int](v, "stop")
	p.Now, _ = field[int](v, "now")
	p.SpawnError, _ = field[string](v, "spawnerr")
	p.ExitStatus, _ = field[int](v, "exitstatus")
	p.PID, _ = field[int](v, "pid")
	p.StdoutLogFile, _ = field[string](v, "stdout_logfile")
	p.StderrLogFile, _ = field[string](v, "stderr_logfile")
	return p
}
