package supervise

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

func TestINI(t *testing.T) {
	d := newDocument()
	require.NoError(t, d.read(strings.NewReader(`; comment
# another
[one]
Key = value ; comment
colon: a=b
url=http://host:80/path;no-comment
multi = first
	second

   third # comment
empty =
[two]
key=1
[one]
key = replaced
`), "f.conf", "/etc"))
	require.Equal(t, map[string]string{
		"key": "replaced", "colon": "a=b", "url": "http://host:80/path;no-comment",
		"multi": "first\nsecond\n\nthird", "empty": "",
	}, d.section("one").options)
	require.Equal(t, map[string]string{"key": "1"}, d.section("two").options)
	require.Len(t, d.sections, 2)
	require.Nil(t, d.section("three"))

	for _, bad := range []string{"key = 1", "[one]\nnothing", "[]", "[one", "[one]\n= 1", "[a]\n" + strings.Repeat("x", 2<<20)} {
		require.Error(t, newDocument().read(strings.NewReader(bad), "f", ""), "%.20q", bad)
	}
}

func TestExpand(t *testing.T) {
	names := map[string]string{"here": "/etc", "process_num": "7", "ENV_A": "%(here)s"}
	tests := map[string]string{
		"plain": "plain", "100%%": "100%", "%(here)s/x": "/etc/x", "p%(process_num)02d": "p07", "p%(process_num)3d": "p  7",
		"%(process_num)d%(process_num)s": "77", "%(ENV_A)s": "%(here)s", "%(here)6s": "  /etc", "": "",
	}
	for in, want := range tests {
		got, err := expand(in, names, "test")
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, bad := range []string{"%", "50% off", "%(nobody)s", "%(here", "%(here)", "%(here)x", "%(here)d", "%(here)99999s", "%s"} {
		_, err := expand(bad, names, "test")
		require.ErrorContains(t, err, "test", bad)
	}
}

func TestSplitCommand(t *testing.T) {
	tests := map[string][]string{
		"":                              nil,
		"  \t ":                         nil,
		"/bin/cat":                      {"/bin/cat"},
		"a  b\tc\nd":                    {"a", "b", "c", "d"},
		`sh -c 'echo "x"; exit 1'`:      {"sh", "-c", `echo "x"; exit 1`},
		`a "b \"c\" \\ \n" d\ e ''`:     {"a", `b "c" \ \n`, "d e", ""},
		`x'y'"z"`:                       {"xyz"},
		`watchdog --master-url 'u'  -c`: {"watchdog", "--master-url", "u", "-c"},
		"ünï cödé":                      {"ünï", "cödé"},
		"# not a comment":               {"#", "not", "a", "comment"},
	}
	for in, want := range tests {
		got, err := splitCommand(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, bad := range []string{`'open`, `"open`, `"open\"`, `end\`} {
		_, err := splitCommand(bad)
		require.Error(t, err, bad)
	}
}

func TestParsePairs(t *testing.T) {
	tests := map[string]map[string]string{
		"": {},
		`USER="slapuser0",LOGNAME="slapuser0",HOME="/srv/a b"`: {"USER": "slapuser0", "LOGNAME": "slapuser0", "HOME": "/srv/a b"},
		`A=1, B='two, "three"' ,C=/usr/bin:/bin`:               {"A": "1", "B": `two, "three`, "C": "/usr/bin:/bin"},
		`A="x=y",`:                                             {"A": "x=y"},
		"A=1,\n  B=2 # comment\n":                              {"A": "1", "B": "2"},
	}
	for in, want := range tests {
		got, err := parsePairs(in)
		require.NoError(t, err, in)
		require.Empty(t, cmp.Diff(want, got), in)
	}
	for _, bad := range []string{"A", "A=", "A B", `A="open`} {
		_, err := parsePairs(bad)
		require.Error(t, err, bad)
	}
}

func TestParseSignal(t *testing.T) {
	for _, good := range []string{"TERM", "sigterm", "15", " Term "} {
		sig, err := parseSignal(good)
		require.NoError(t, err)
		require.EqualValues(t, 15, sig)
	}
	for _, bad := range []string{"", "NONE", "0", "-9", "4711"} {
		_, err := parseSignal(bad)
		require.Error(t, err, bad)
	}
}

func TestNamespec(t *testing.T) {
	for spec, want := range map[string][2]string{
		"a": {"a", "a"}, "a:b": {"a", "b"}, "a:": {"a", ""}, "a:*": {"a", ""}, "a:b:c": {"a", "b:c"},
	} {
		group, name := splitNamespec(spec)
		require.Equal(t, want, [2]string{group, name}, spec)
	}
	require.Equal(t, "a", makeNamespec("a", "a"))
	require.Equal(t, "a:b", makeNamespec("a", "b"))
}

func TestUptime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0:00:00", 62 * time.Second: "0:01:02", 25 * time.Hour: "1 day, 1:00:00", 1000 * time.Hour: "41 days, 16:00:00",
	} {
		require.Equal(t, want, uptime(d))
	}
}

func TestParseProcStat(t *testing.T) {
	const rest = " S 1 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 123456 1000 10 18446744073709551615"
	for _, name := range []string{"sleep", "a b", "a) S 1 (b", "()"} {
		p, err := parseProcStat([]byte("42 (" + name + ")" + rest))
		require.NoError(t, err)
		require.Equal(t, procInfo{state: 'S', parent: 1, session: 42, threads: 3, ticks: 123456}, p)
	}
	for _, bad := range []string{"", "42 sleep S", "42 (sleep) S 1", "42 (sleep)" + strings.Replace(rest, "123456", "x", 1)} {
		_, err := parseProcStat([]byte(bad))
		require.Error(t, err, bad)
	}
	require.True(t, procInfo{state: 'Z', threads: 1}.dead())
	require.False(t, procInfo{state: 'Z', threads: 2}.dead())
	require.False(t, procInfo{state: 'S', threads: 1}.dead())
}

func TestEvents(t *testing.T) {
	e := stateEvent("part", "web-on-watch", transition{from: client.Running, to: client.Exited, pid: 12})
	require.Equal(t, "PROCESS_STATE_EXITED", e.kind)
	require.Equal(t, "processname:web-on-watch groupname:part from_state:RUNNING expected:0 pid:12", e.payload)
	e.serial = 5
	require.Equal(t, "ver:3.0 server:supervisor serial:5 pool:watchdog poolserial:2 eventname:PROCESS_STATE_EXITED len:76\n"+e.payload,
		e.envelope("supervisor", "watchdog", 2))
	e = stateEvent("g", "p", transition{from: client.Starting, to: client.Backoff, tries: 2})
	require.Equal(t, "processname:p groupname:g from_state:STARTING tries:2", e.payload)

	require.True(t, subscribed([]string{"PROCESS_STATE"}, "PROCESS_STATE_EXITED"))
	require.True(t, subscribed([]string{"TICK_5", "EVENT"}, "PROCESS_STATE_EXITED"))
	require.True(t, subscribed([]string{"TICK_5"}, "TICK_5"))
	require.False(t, subscribed([]string{"TICK_5"}, "TICK_60"))
	require.False(t, subscribed(nil, "TICK_5"))
}

func TestListenerProtocol(t *testing.T) {
	tests := []struct {
		name   string
		output []string // after READY and one event
		want   []verdict
		broken bool
	}{
		{"ok", []string{"RESULT 2\nOK"}, []verdict{handled}, false},
		{"ok in pieces", []string{"RES", "ULT 2", "\n", "O", "K", "REA", "DY\n"}, []verdict{handled, becameReady}, false},
		{"ready at once", []string{"RESULT 2\nOKREADY\n"}, []verdict{handled, becameReady}, false},
		{"failure", []string{"RESULT 4\nFAILREADY\n"}, []verdict{rejected, becameReady}, false},
		{"empty result", []string{"RESULT 0\n", "READY\n"}, []verdict{rejected, becameReady}, false},
		{"bad line", []string{"RESULT x\n"}, []verdict{rejected}, true},
		{"other word", []string{"ANSWER 2\nOK"}, []verdict{rejected}, true},
		{"endless line", []string{strings.Repeat("x", 200)}, []verdict{rejected}, true},
		{"huge", []string{"RESULT 99999999\n"}, []verdict{rejected}, true},
		{"noise after", []string{"RESULT 2\nOKnoise"}, []verdict{handled}, true},
		{"unasked", []string{"RESULT 2\nOKREADY\n", "RESULT 2\nOK"}, []verdict{handled, becameReady}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newListenerProtocol()
			got, err := p.feed([]byte("READY\n"))
			require.NoError(t, err)
			require.Equal(t, []verdict{becameReady}, got)
			require.Equal(t, listenerReady, p.state)
			p.sent()
			var all []verdict
			for _, output := range test.output {
				got, err = p.feed([]byte(output))
				all = append(all, got...)
			}
			require.Equal(t, test.want, all)
			if test.broken {
				require.ErrorIs(t, err, errProtocol)
				require.Equal(t, listenerBroken, p.state)
				got, err = p.feed([]byte("READY\n"))
				require.Empty(t, got)
			}
			require.NoError(t, err)
		})
	}
	_, err := newListenerProtocol().feed([]byte("hello"))
	require.ErrorIs(t, err, errProtocol)
}

func FuzzListenerProtocol(f *testing.F) {
	f.Add([]byte("RESULT 2\nOKREADY\n"), 3)
	f.Add([]byte("RESULT 0\nREADY\nnoise"), 1)
	f.Fuzz(func(t *testing.T, output []byte, piece int) {
		// The verdicts do not depend on how the output arrives.
		run := func(step int) (all []verdict, broken bool) {
			p := newListenerProtocol()
			_, err := p.feed([]byte("READY\n"))
			require.NoError(t, err)
			p.sent()
			for rest := output; len(rest) > 0 && err == nil; rest = rest[min(step, len(rest)):] {
				var got []verdict
				got, err = p.feed(rest[:min(step, len(rest))])
				all = append(all, got...)
			}
			return all, p.state == listenerBroken
		}
		if piece < 1 || piece > 1000 {
			return
		}
		whole, brokenWhole := run(len(output) + 1)
		pieces, brokenPieces := run(piece)
		require.Equal(t, whole, pieces)
		require.Equal(t, brokenWhole, brokenPieces)
	})
}

func FuzzINI(f *testing.F) {
	f.Add("[program:x]\ncommand = /bin/cat ; comment\nenvironment = A=\"1\"\n", "%(here)s%%")
	f.Fuzz(func(_ *testing.T, text, value string) {
		d := newDocument()
		if d.read(strings.NewReader(text), "f", "/") == nil {
			for _, s := range d.sections {
				for _, option := range s.options {
					_, _ = expand(option, map[string]string{"here": "/"}, "x")
				}
			}
		}
		_, _ = expand(value, map[string]string{"here": "/"}, "x")
		_, _ = splitCommand(value)
		_, _ = parsePairs(value)
	})
}
