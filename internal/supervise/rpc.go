package supervise

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/internal/supervise/client"
	"github.com/slapos/slapos-go/internal/xmlrpc"
)

const (
	apiVersion = "3.0"
	// supervisorVersion is the release of supervisord whose interface is served.
	supervisorVersion = "4.3.0 (embedded)"
)

// rpc answers the calls on the socket of a daemon.
type rpc struct {
	daemon  *daemon
	methods map[string]method
}

// method is one method of the interface: the types of its arguments, of which
// the last ones may be left out, and what it does.
type method struct {
	args     []reflect.Type
	optional int
	call     func(r *rpc, ctx context.Context, a []any) (any, error)
}

var (
	typeString = reflect.TypeFor[string]()
	typeInt    = reflect.TypeFor[int]()
	typeBool   = reflect.TypeFor[bool]()
	typeList   = reflect.TypeFor[[]any]()
)

// methods returns the interface by the full names of its methods.
func methods() map[string]method {
	all := map[string]method{}
	for name, m := range shortMethods() {
		all[fullMethodName(name)] = m
	}
	return all
}

// shortMethods is methods without "supervisor." in front.
func shortMethods() map[string]method {
	named := func(f func(r *rpc, ctx context.Context, name string) (any, error)) method {
		return method{args: []reflect.Type{typeString}, call: func(r *rpc, ctx context.Context, a []any) (any, error) {
			return f(r, ctx, a[0].(string))
		}}
	}
	waiting := func(f func(r *rpc, ctx context.Context, name string, wait bool) (any, error)) method {
		return method{args: []reflect.Type{typeString, typeBool}, optional: 1, call: func(r *rpc, ctx context.Context, a []any) (any, error) {
			return f(r, ctx, a[0].(string), len(a) < 2 || a[1].(bool))
		}}
	}
	value := func(f func(r *rpc) (any, error)) method {
		return method{call: func(r *rpc, _ context.Context, _ []any) (any, error) { return f(r) }}
	}
	all := func(f func(r *rpc, ctx context.Context, wait bool) (any, error)) method {
		return method{args: []reflect.Type{typeBool}, optional: 1, call: func(r *rpc, ctx context.Context, a []any) (any, error) {
			return f(r, ctx, len(a) < 1 || a[0].(bool))
		}}
	}
	reading := func(f func(r *rpc, name string, offset, length int64) (any, error)) method {
		return method{args: []reflect.Type{typeString, typeInt, typeInt}, call: func(r *rpc, _ context.Context, a []any) (any, error) {
			return f(r, a[0].(string), int64(a[1].(int)), int64(a[2].(int)))
		}}
	}
	signalling := func(f func(r *rpc, ctx context.Context, name, signal string) (any, error)) method {
		return method{args: []reflect.Type{typeString, nil}, call: func(r *rpc, ctx context.Context, a []any) (any, error) {
			return f(r, ctx, a[0].(string), text(a[1]))
		}}
	}
	stdout := func(r *rpc, name string, offset, length int64) (any, error) {
		return r.readLog(name, 0, offset, length)
	}
	tailStdout := func(r *rpc, name string, offset, length int64) (any, error) {
		return r.tailLog(name, 0, offset, length)
	}
	mainLog := method{args: []reflect.Type{typeInt, typeInt}, call: func(r *rpc, _ context.Context, a []any) (any, error) {
		return r.readMainLog(int64(a[0].(int)), int64(a[1].(int)))
	}}
	return map[string]method{
		"getAPIVersion":        value(func(*rpc) (any, error) { return apiVersion, nil }),
		"getVersion":           value(func(*rpc) (any, error) { return apiVersion, nil }),
		"getSupervisorVersion": value(func(*rpc) (any, error) { return supervisorVersion, nil }),
		"getIdentification":    value(func(r *rpc) (any, error) { return r.daemon.cfg.identifier, nil }),
		"getState":             value((*rpc).state),
		"getPID":               value(func(*rpc) (any, error) { return os.Getpid(), nil }),
		"readLog":              mainLog,
		"readMainLog":          mainLog,
		"clearLog":             value((*rpc).clearMainLog),
		"shutdown":             value(func(r *rpc) (any, error) { return r.end(client.DaemonShutdown) }),
		"restart":              value(func(r *rpc) (any, error) { return r.end(client.DaemonRestarting) }),

		"reloadConfig":       value((*rpc).reload),
		"addProcessGroup":    named((*rpc).addGroup),
		"removeProcessGroup": named((*rpc).removeGroup),
		"getAllConfigInfo":   value((*rpc).configInfo),

		"startProcess":       waiting((*rpc).startProcess),
		"startProcessGroup":  waiting((*rpc).startGroup),
		"startAllProcesses":  all((*rpc).startAll),
		"stopProcess":        waiting((*rpc).stopProcess),
		"stopProcessGroup":   waiting((*rpc).stopGroup),
		"stopAllProcesses":   all((*rpc).stopAll),
		"signalProcess":      signalling((*rpc).signalProcess),
		"signalProcessGroup": signalling((*rpc).signalGroup),
		"signalAllProcesses": {args: []reflect.Type{nil}, call: func(r *rpc, ctx context.Context, a []any) (any, error) {
			return r.signalAll(ctx, text(a[0]))
		}},
		"getProcessInfo":    named((*rpc).processInfo),
		"getAllProcessInfo": value((*rpc).allProcessInfo),

		"readProcessLog":       reading(stdout),
		"readProcessStdoutLog": reading(stdout),
		"readProcessStderrLog": reading(func(r *rpc, name string, o, l int64) (any, error) { return r.readLog(name, 1, o, l) }),
		"tailProcessLog":       reading(tailStdout),
		"tailProcessStdoutLog": reading(tailStdout),
		"tailProcessStderrLog": reading(func(r *rpc, name string, o, l int64) (any, error) { return r.tailLog(name, 1, o, l) }),
		"clearProcessLog":      named((*rpc).clearLogs),
		"clearProcessLogs":     named((*rpc).clearLogs),
		"clearAllProcessLogs":  value((*rpc).clearAllLogs),
		"sendProcessStdin": {args: []reflect.Type{typeString, typeString}, call: func(r *rpc, _ context.Context, a []any) (any, error) {
			return r.sendStdin(a[0].(string), a[1].(string))
		}},
		"sendRemoteCommEvent": {args: []reflect.Type{typeString, typeString}, call: func(r *rpc, _ context.Context, a []any) (any, error) {
			return r.remoteEvent(a[0].(string), a[1].(string))
		}},

		"system.listMethods":     value(func(r *rpc) (any, error) { return r.methodNames(), nil }),
		"system.methodHelp":      named((*rpc).methodHelp),
		"system.methodSignature": named((*rpc).methodSignature),
		"system.multicall": {args: []reflect.Type{typeList}, call: func(r *rpc, ctx context.Context, a []any) (any, error) {
			return r.multicall(ctx, a[0].([]any))
		}},
	}
}

// text is an argument that may be a number, such as a signal.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return fmt.Sprint(v)
}

// Call implements [xmlrpc.Caller].
func (r *rpc) Call(ctx context.Context, name string, args []any) (any, error) {
	m, ok := r.methods[name]
	if !ok {
		return nil, client.NewFault(client.FaultUnknownMethod, "")
	}
	if len(args) > len(m.args) || len(args) < len(m.args)-m.optional {
		return nil, client.NewFault(client.FaultIncorrectParameters, "")
	}
	for i, a := range args {
		if want := m.args[i]; want != nil && reflect.TypeOf(a) != want {
			return nil, client.NewFault(client.FaultIncorrectParameters, "")
		}
	}
	if !strings.HasPrefix(name, "system.") && r.ending() {
		return nil, client.NewFault(client.FaultShutdownState, "")
	}
	return m.call(r, ctx, args)
}

// ending tells that the daemon shuts down or begins again: it then refuses all calls.
func (r *rpc) ending() (ending bool) {
	r.daemon.locked(func() { ending = r.daemon.mood < client.DaemonRunning })
	return ending
}

func (r *rpc) state() (v any, err error) {
	r.daemon.locked(func() { v = stateOf(r.daemon.mood) })
	return v, nil
}

func (r *rpc) end(mood client.DaemonState) (any, error) {
	d := r.daemon
	d.locked(func() {
		d.mood = mood
		d.notify(event{kind: "SUPERVISOR_STATE_CHANGE_STOPPING"})
	})
	d.nudge()
	return true, nil
}

// reload reads the configuration files and compares them with what is loaded.
func (r *rpc) reload() (any, error) {
	d := r.daemon
	cfg, err := loadConfig(d.cfg.file, d.env)
	if err != nil {
		return nil, client.NewFault(client.FaultCantReread, err.Error())
	}
	added, changed, removed := []any{}, []any{}, []any{}
	d.locked(func() {
		d.available = cfg.groups
		names := map[string]bool{}
		for _, g := range cfg.groups {
			names[g.Name] = true
			switch loaded := d.groups[g.Name]; {
			case loaded == nil:
				added = append(added, g.Name)
			case !sameGroup(loaded.config, g):
				changed = append(changed, g.Name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(d.groups)) {
			if !names[name] {
				removed = append(removed, name)
			}
		}
	})
	return []any{[]any{added, changed, removed}}, nil
}

// sameGroup compares two configurations in the form of the state file, in which nothing and an
// empty list are the same.
func sameGroup(a, b groupConfig) bool {
	textA, errA := json.Marshal(a)
	textB, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(textA, textB)
}

func (r *rpc) addGroup(_ context.Context, name string) (v any, err error) {
	d := r.daemon
	d.locked(func() {
		i := slices.IndexFunc(d.available, func(g groupConfig) bool { return g.Name == name })
		switch {
		case i < 0:
			err = client.NewFault(client.FaultBadName, name)
		case d.groups[name] != nil:
			err = client.NewFault(client.FaultAlreadyAdded, name)
		default:
			d.addGroup(d.available[i])
		}
	})
	d.nudge()
	return true, err
}

func (r *rpc) removeGroup(_ context.Context, name string) (v any, err error) {
	d := r.daemon
	d.locked(func() {
		g := d.groups[name]
		switch {
		case g == nil:
			err = client.NewFault(client.FaultBadName, name)
		case !d.removeGroup(g):
			err = client.NewFault(client.FaultStillRunning, name)
		}
	})
	return true, err
}

func (r *rpc) readMainLog(offset, length int64) (any, error) {
	return logText(source{path: r.daemon.cfg.logFile}, offset, length)
}

func (r *rpc) clearMainLog() (any, error) {
	if _, err := os.Stat(r.daemon.cfg.logFile); err != nil {
		return nil, client.NewFault(client.FaultNoFile, "")
	}
	if err := r.daemon.main.clear(); err != nil {
		return nil, client.NewFault(client.FaultFailed, err.Error())
	}
	return true, nil
}

// logText is readLog with the faults of the interface.
func logText(log source, offset, length int64) (any, error) {
	if _, err := os.Stat(log.path); log.path == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, client.NewFault(client.FaultNoFile, log.path)
	}
	text, err := readLog(log, offset, length)
	switch {
	case errors.Is(err, errBadArguments):
		return nil, client.NewFault(client.FaultBadArguments, "")
	case err != nil:
		return nil, client.NewFault(client.FaultFailed, "")
	}
	return text, nil
}

// multicall makes several calls; the outcome of each is its result or its fault.
func (r *rpc) multicall(ctx context.Context, calls []any) (any, error) {
	results := make([]any, len(calls))
	for i, call := range calls {
		members, _ := call.(map[string]any)
		name, _ := members["methodName"].(string)
		params, _ := members["params"].([]any)
		result, err := any(nil), error(nil)
		if name == "" || name == "system.multicall" {
			err = client.NewFault(client.FaultIncorrectParameters, "Recursive system.multicall forbidden")
		} else {
			result, err = r.Call(ctx, name, params)
		}
		if err != nil {
			fault, ok := errors.AsType[*xmlrpc.Fault](err)
			if !ok {
				fault = client.NewFault(client.FaultFailed, err.Error())
			}
			result = map[string]any{"faultCode": fault.Code, "faultString": fault.String}
		}
		results[i] = result
	}
	return results, nil
}
