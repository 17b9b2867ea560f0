package slap_test

import (
	"cmp"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slap/slaptest"
)

// faultCase is a fault, and what has to come of a call that it strikes.
type faultCase struct {
	name  string
	fault slaptest.Fault
	// acted tells that the master has done what was asked for, if the call is
	// made once only.
	acted bool
	// change and read are the errors to come of a change and of a read; nil is
	// success.
	change, read error
	// body tells that only the content of the answer is wrong, and cuts that
	// the connection is cut within it.
	body, cuts bool
	// sent is how often a change is made, and asked how often a read is; 0
	// means 1. Faults that strike again and again are named "always".
	sent, asked int
}

// faultCases are all that is done to each call. The context of a call ends after
// an hour.
func faultCases() []faultCase {
	const never = 2 * time.Hour
	connection, server := slap.ErrConnection, slap.ErrServer
	cases := []faultCase{
		{name: "refused once", fault: slaptest.Refuse(), acted: true, sent: 2, asked: 2},
		{name: "refused always", fault: slaptest.Refuse(), change: connection, read: connection, sent: 3, asked: 3},
		{name: "cut before once", fault: slaptest.CutBefore(), change: connection, asked: 2},
		{name: "cut before always", fault: slaptest.CutBefore(), change: connection, read: connection, asked: 3},
		{name: "cut after once", fault: slaptest.CutAfter(), acted: true, change: connection, asked: 2},
		{name: "cut after always", fault: slaptest.CutAfter(), acted: true, change: connection, read: connection, asked: 3},
		{name: "delayed", fault: slaptest.Delay(time.Minute), acted: true},
		{name: "delayed after", fault: slaptest.DelayAfter(time.Minute), acted: true},
		{name: "delayed for ever", fault: slaptest.Delay(never), change: connection, read: connection},
		{name: "delayed for ever after", fault: slaptest.DelayAfter(never), acted: true, change: connection, read: connection},
		{name: "nothing of the body", fault: slaptest.Truncate(0), acted: true, change: connection, read: connection, cuts: true},
		{name: "a piece of the body", fault: slaptest.Truncate(1), acted: true, change: connection, read: connection, cuts: true},
		{name: "slow body", fault: slaptest.Slow(1000, time.Second), acted: true},
		{name: "body that stops", fault: slaptest.Slow(1, time.Minute+time.Second), acted: true, change: connection, read: connection},
		{name: "a page of something else", fault: slaptest.Garble("<html><p>Please log in"), acted: true, change: server, read: server, body: true},
		{name: "not ready", fault: slaptest.Status(http.StatusRequestTimeout, ""), change: slap.ErrNotReady, read: slap.ErrNotReady},
		{name: "500", fault: slaptest.Status(500, "oops"), change: server, read: server},
		{name: "500 after", fault: slaptest.StatusAfter(500, "oops"), acted: true, change: server, read: server},
	}
	for _, status := range []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
		cases = append(cases,
			faultCase{name: fmt.Sprint(status, " once"), fault: slaptest.Status(status, ""), change: server, asked: 2},
			faultCase{name: fmt.Sprint(status, " always"), fault: slaptest.Status(status, ""), change: server, read: server, asked: 3},
			faultCase{name: fmt.Sprint(status, " after"), fault: slaptest.StatusAfter(status, ""), acted: true, change: server, asked: 2},
		)
	}
	return cases
}

// strikes returns the fault for the n-th call of an operation, or for it and
// all that follow.
func (f faultCase) strikes(n int) slaptest.Fault {
	if !strings.HasSuffix(f.name, "always") {
		return f.fault.Nth(n)
	}
	seen := 0
	return f.fault.When(func(slaptest.Call) bool { seen++; return seen >= n })
}

// TestEveryCallHasARow fails if a function that calls the master is not tested
// below, or not in the package documentation.
func TestEveryCallHasARow(t *testing.T) {
	functions := functionsWithContext(t)
	known := operations()
	for _, name := range functions {
		if _, ok := known[name]; !ok && callsNothing[name] == "" {
			t.Errorf("%s takes a context, so that it seems to call the master: give it a row in operations", name)
		}
	}
	for name := range known {
		require.Contains(t, functions, name)
	}

	documented := documentedRepetition(t)
	for name, o := range known {
		want := o.again
		if want == reads {
			want = ""
		}
		require.Equal(t, want, documented[name], "%s in the section on repeating calls", name)
	}
	for name := range documented {
		require.Contains(t, known, name, "documented")
	}
}

// functionsWithContext names the exported functions and methods of the package
// whose first parameter is a context.
func functionsWithContext(t *testing.T) []string {
	t.Helper()
	var names []string
	paths, err := fs.Glob(os.DirFS("."), "*.go")
	require.NoError(t, err)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declaration := range file.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() || len(f.Type.Params.List) == 0 {
				continue
			}
			if s, ok := f.Type.Params.List[0].Type.(*ast.SelectorExpr); !ok || s.Sel.Name != "Context" {
				continue
			}
			name := f.Name.Name
			if f.Recv != nil {
				pointer, ok := f.Recv.List[0].Type.(*ast.StarExpr)
				if !ok || !pointer.X.(*ast.Ident).IsExported() {
					continue
				}
				name = pointer.X.(*ast.Ident).Name + "." + name
			}
			names = append(names, name)
		}
	}
	return names
}

// documentedRepetition reads the table in the package documentation.
func documentedRepetition(t *testing.T) map[string]again {
	t.Helper()
	data, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(data), "// # Repeating calls\n")
	require.True(t, ok, "the section on repeating calls is missing")
	section, _, _ = strings.Cut(section, "\n// # ")
	line := regexp.MustCompile(`(?m)^//\t(same|refused|adds)? +(\w+\.[\w, .]+)$`)
	rows, kind := map[string]again{}, again("")
	for _, match := range line.FindAllStringSubmatch(section, -1) {
		if match[1] != "" {
			kind = again(match[1])
		}
		owner := ""
		for name := range strings.SplitSeq(strings.TrimRight(match[2], ","), ", ") {
			if o, _, ok := strings.Cut(name, "."); ok {
				owner = o
			} else {
				name = owner + "." + name
			}
			rows[name] = kind
		}
	}
	return rows
}

// TestReadsUnderFaults strikes each call of each operation that reads.
func TestReadsUnderFaults(t *testing.T) {
	all := operations()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if o := all[name]; o.again == reads || name == "Client.Token" {
			t.Run(name, func(t *testing.T) { checkRead(t, o) })
		}
	}
}

func checkRead(t *testing.T, o operation) {
	bubble(t, func(ctx context.Context, t *testing.T) {
		r := newRig(t)
		before := r.state(t)
		require.NoError(t, o.do(ctx, t, r))
		good := r.line.Calls()
		for _, f := range faultCases() {
			for n, call := range good {
				if call.Status != http.StatusOK && !strings.Contains(f.name, "cut") {
					continue // a redirect: nothing in its answer is looked at
				}
				about := fmt.Sprintf("%s: call %d of %v", f.name, n+1, good)
				r.forget(t)
				r.line.Inject(f.strikes(n + 1))
				ctx, cancel := context.WithTimeout(ctx, time.Hour)
				err := o.do(ctx, t, r)
				cancel()
				if f.read == nil {
					require.NoError(t, err, about)
				} else {
					require.ErrorIs(t, err, f.read, about)
				}
				asked := 0
				for _, c := range r.line.Calls() {
					require.Equal(t, http.MethodGet, c.Method)
					if len(c.Faults) > 0 || c.Path == call.Path && c.Fields.Encode() == call.Fields.Encode() {
						asked++
					}
				}
				require.GreaterOrEqual(t, asked, max(1, f.asked), about)
				// Where a redirect was followed, that is asked again too.
				require.LessOrEqual(t, len(r.line.Calls()), len(good)+2*(max(1, f.asked)-1), about)
			}
		}
		if o.again == reads {
			require.Equal(t, before, r.state(t), "a read changed something")
		}
	})
}

// TestChangesUnderFaults strikes each operation that changes something. None may
// be lost, so that nobody knows, nor be done twice; and making it again by hand
// has to do what is documented.
func TestChangesUnderFaults(t *testing.T) {
	all := operations()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if o := all[name]; o.again != reads && name != "Client.Token" {
			t.Run(name, func(t *testing.T) { checkChange(t, o) })
		}
	}
}

func checkChange(t *testing.T, o operation) {
	bubble(t, func(ctx context.Context, t *testing.T) {
		prepared := func() *rig {
			r := newRig(t)
			if o.undo != nil {
				o.undo(r)
			}
			return r
		}
		r := prepared()
		before := r.state(t)
		require.NoError(t, o.do(ctx, t, r))
		require.Len(t, r.line.Calls(), 1, "a change is one call")
		require.Equal(t, http.MethodPost, r.line.Calls()[0].Method)
		once := r.state(t)
		checkAgain(ctx, t, r, o, once)

		r = prepared()
		done := false // that the master has done what is asked for
		cases := faultCases()
		slices.SortStableFunc(cases, func(a, b faultCase) int { return cmp.Compare(btoi(a.acted), btoi(b.acted)) })
		for _, f := range cases {
			switch {
			case !done || o.kindHere() == same:
			case o.undo != nil:
				o.undo(r)
				done = false
			default:
				r, done = prepared(), false
			}
			strike(ctx, t, r, o, f)
			state := before
			if done = done || f.acted; done {
				state = once
			}
			require.Empty(t, gocmp.Diff(state, r.state(t)), f.name)
			if done {
				r.line.Reset()
				checkAgain(ctx, t, r, o, once)
			}
		}
	})
}

// strike has a fault strike a change, and checks what is told of it, and how
// often it reaches the master.
func strike(ctx context.Context, t *testing.T, r *rig, o operation, f faultCase) {
	t.Helper()
	r.line.Reset(f.strikes(1))
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	err := o.do(ctx, t, r)
	want := f.change
	if f.body && o.blind || f.cuts && o.empty {
		want = nil
	}
	if want == nil {
		require.NoError(t, err, f.name)
	} else {
		require.ErrorIs(t, err, want, f.name)
	}
	require.Len(t, r.line.Calls(), max(1, f.sent), f.name)
	reached := slices.DeleteFunc(r.line.Calls(), func(c slaptest.Call) bool { return !c.Reached })
	require.Len(t, reached, btoi(f.acted), f.name)
	if !f.acted {
		require.Error(t, err, "%s: lost", f.name)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkAgain makes a change once more that was done before.
func checkAgain(ctx context.Context, t *testing.T, r *rig, o operation, once string) {
	t.Helper()
	err := o.do(ctx, t, r)
	if o.kindHere() == refused {
		require.ErrorIs(t, err, slap.ErrNotFound)
	} else {
		require.NoError(t, err)
	}
	if o.kindHere() == adds {
		require.NotEqual(t, once, r.state(t))
	} else {
		require.Empty(t, gocmp.Diff(once, r.state(t)))
	}
}

// bubble runs a test where waiting takes no time.
func bubble(t *testing.T, test func(ctx context.Context, t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t.Context(), t) })
}
