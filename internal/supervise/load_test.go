package supervise

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// configFiles writes supervisord.conf with these sections, and further files, into a directory.
func configFiles(t *testing.T, sections string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	main := "[include]\nfiles = conf.d/*.conf\n[supervisord]\nlogfile=" + dir + "/log\npidfile=" + dir + "/pid\n" +
		"[unix_http_server]\nfile=" + dir + "/sock\nchmod=0700\n" + sections
	require.NoError(t, os.WriteFile(filepath.Join(dir, "supervisord.conf"), []byte(main), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "conf.d"), 0o700))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "conf.d", name), []byte(text), 0o600))
	}
	return filepath.Join(dir, "supervisord.conf")
}

func TestLoadSlapgridFiles(t *testing.T) {
	me, err := user.Current()
	require.NoError(t, err)
	path := configFiles(t, `
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix:///x
[eventlistener:watchdog]
command=
events=PROCESS_STATE_EXITED, PROCESS_STATE_FATAL
`, map[string]string{
		"part.conf": `[group:part]
programs=part_web,part_db

[program:part_web]
directory=/srv/part
command=/srv/part/etc/service/web
process_name=web-on-watch
autostart=false
autorestart=false
startsecs=0
startretries=0
exitcodes=0
stopsignal=TERM
stopwaitsecs=60
stopasgroup=true
killasgroup=true
user=` + me.Uid + `
group=` + me.Gid + `
serverurl=AUTO
redirect_stderr=true
stdout_logfile=/srv/part/.part_web.log
stdout_logfile_maxbytes=100KB
stdout_logfile_backups=1
stderr_logfile=/srv/part/.part_web.log
stderr_logfile_maxbytes=100KB
stderr_logfile_backups=1
environment=USER="me",LOGNAME="me",HOME="/srv/100%%"
[program:part_db]
command=/bin/db %(program_name)s in %(group_name)s
`,
		"firewall.conf": "[program:firewall]\ncommand=/bin/fw\npriority=5\n",
		"ignored.txt":   "[program:ignored]\ncommand=/bin/no\n",
	})
	cfg, err := loadConfig(path, nil)
	require.NoError(t, err)
	var names []string
	for _, g := range cfg.groups {
		names = append(names, g.Name)
	}
	require.Equal(t, []string{"watchdog", "firewall", "part"}, names, "in order of priority")
	require.Equal(t, []string{"PROCESS_STATE_EXITED", "PROCESS_STATE_FATAL"}, cfg.groups[0].Events)
	require.Equal(t, "", cfg.groups[0].Programs[0].Command)

	web := cfg.groups[2].Programs[1]
	require.Equal(t, me.Uid, fmt.Sprint(web.User.UID))
	require.Equal(t, me.Gid, fmt.Sprint(web.User.GID))
	web.User = nil
	require.Empty(t, cmp.Diff(programConfig{
		Name: "web-on-watch", Command: "/srv/part/etc/service/web", Directory: "/srv/part", Priority: 999,
		Environment: map[string]string{"USER": "me", "LOGNAME": "me", "HOME": "/srv/100%"},
		Policy: policy{
			AutoRestart: restartNever, ExitCodes: []int{0}, StopSignal: syscall.SIGTERM, StopWait: time.Minute,
			StopAsGroup: true, KillAsGroup: true,
		},
		Redirect: true,
		Stdout:   logConfig{File: "/srv/part/.part_web.log", MaxBytes: 100 << 10, Backups: 1},
	}, web))

	db := cfg.groups[2].Programs[0]
	require.Equal(t, "/bin/db part_db in part", db.Command)
	require.Equal(t, policy{
		AutoStart: true, AutoRestart: restartUnexpected, MinUptime: time.Second, StartRetries: 3, ExitCodes: []int{0},
		StopSignal: syscall.SIGTERM, StopWait: 10 * time.Second,
	}, db.Policy)
	require.Equal(t, logConfig{Auto: true, MaxBytes: 50 << 20, Backups: 10}, db.Stdout)
}

func TestLoadOptions(t *testing.T) {
	path := configFiles(t, `
[supervisord]
identifier = here
environment = SHARED="1",PLACE="%(here)s"
loglevel = debug
logfile_maxbytes = 1MB
[program:many]
command = /bin/x %(process_num)02d of %(numprocs)d for %(ENV_ME)s with %(ENV_SHARED)s%(ENV_OWN)s
process_name = many-%(process_num)02d
numprocs = 3
numprocs_start = 5
environment = OWN="2"
autorestart = yes
exitcodes = 0, 2,77
stopsignal = sigquit
umask = 027
stdout_logfile = NONE
stderr_logfile = /dev/null
stderr_logfile_maxbytes = 0
serverurl = unix:///other
`, nil)
	cfg, err := loadConfig(path, []string{"ME=you", "broken"})
	require.NoError(t, err)
	programs := cfg.groups[0].Programs
	require.Len(t, programs, 3)
	p := programs[2]
	require.Equal(t, "many-07", p.Name)
	require.Equal(t, "/bin/x 07 of 3 for you with 12", p.Command)
	require.Equal(t, map[string]string{"SHARED": "1", "PLACE": filepath.Dir(path), "OWN": "2"}, p.Environment)
	require.Equal(t, restartAlways, p.Policy.AutoRestart)
	require.Equal(t, []int{0, 2, 77}, p.Policy.ExitCodes)
	require.Equal(t, syscall.SIGQUIT, p.Policy.StopSignal)
	require.Equal(t, 0o27, *p.Umask)
	require.Equal(t, "", p.Stdout.File)
	require.False(t, p.Stdout.Auto)
	require.Equal(t, "/dev/null", p.Stderr.File)
	require.Equal(t, "unix:///other", p.ServerURL)
	require.Equal(t, "here", cfg.identifier)
	require.EqualValues(t, 1<<20, cfg.logMaxBytes)
}

func TestLoadErrors(t *testing.T) {
	program := func(lines string) string { return "[program:p]\ncommand=/bin/x\n" + lines }
	tests := map[string]string{
		"[program:p]\nautostart=1\n":                                              "command",
		"[program:a b]\ncommand=x\n":                                              "invalid name",
		"[program:a:b]\ncommand=x\n":                                              "invalid name",
		program("process_name=a/b\n"):                                             "invalid name",
		program("startsecs=soon\n"):                                               "startsecs",
		program("startsecs=-1\n"):                                                 "startsecs",
		program("autostart=maybe\n"):                                              "maybe",
		program("autorestart=maybe\n"):                                            "maybe",
		program("exitcodes=0,300\n"):                                              "300",
		program("stopsignal=NONE\n"):                                              "NONE",
		program("stopasgroup=true\nkillasgroup=false\n"):                          "killasgroup",
		program("environment=A\n"):                                                "environment",
		program("environment=A=\"%(nobody)s\"\n"):                                 "nobody",
		program("user=no-such-user\n"):                                            "no-such-user",
		program("user=4000111222\n"):                                              "4000111222",
		program("stdout_logfile_maxbytes=many\n"):                                 "stdout_logfile_maxbytes",
		program("numprocs=2\n"):                                                   "process_num",
		program("numprocs=100000\n"):                                              "numprocs",
		program("umask=9\n"):                                                      "umask",
		"[group:g]\nprograms=missing\n":                                           "missing",
		"[eventlistener:l]\ncommand=x\n":                                          "events",
		"[eventlistener:l]\ncommand=x\nevents=NOPE\n":                             "NOPE",
		"[eventlistener:l]\ncommand=x\nevents=EVENT\nbuffer_size=0":               "buffer_size",
		"[eventlistener:l]\ncommand=x\nevents=EVENT\nredirect_stderr=1":           "redirect_stderr",
		"[fcgi-program:f]\ncommand=x\n":                                           "not supported",
		"[inet_http_server]\nport=9001\n":                                         "not supported",
		"[unix_http_server]\nusername=me\n":                                       "password",
		"[supervisord]\nloglevel=loud\n":                                          "loud",
		"[group:p]\nprograms=q\n[program:q]\ncommand=x\n[program:p]\ncommand=x\n": "two groups",
		"[group:g]\nprograms=p,q\n[program:p]\ncommand=x\nprocess_name=a\n[program:q]\ncommand=x\nprocess_name=a\n": "two processes",
	}
	for sections, want := range tests {
		_, err := loadConfig(configFiles(t, sections, nil), nil)
		require.ErrorContains(t, err, want, sections)
	}
	_, err := loadConfig(filepath.Join(t.TempDir(), "none.conf"), nil)
	require.ErrorContains(t, err, "could not find config file")
	path := configFiles(t, "", map[string]string{"bad.conf": "[open\n"})
	_, err = loadConfig(path, nil)
	require.ErrorIs(t, err, errSyntax)
	require.ErrorContains(t, err, "bad.conf")
}

// TestSameGroup: what comes back from the state file is what was written.
func TestSameGroup(t *testing.T) {
	path := configFiles(t, "[program:bare]\ncommand=/bin/x\nexitcodes=\n", nil)
	cfg, err := loadConfig(path, nil)
	require.NoError(t, err)
	d := newDaemon(cfg, nil, nil, nil)
	d.groups["bare"] = &group{config: cfg.groups[0]}
	text := filepath.Join(t.TempDir(), "state")
	d.cfg.pidFile = strings.TrimSuffix(text, ".state")
	d.dirty = true
	d.flush()
	require.False(t, d.dirty)
	left, err := readState(cfg.stateFile())
	require.NoError(t, err)
	require.True(t, sameGroup(cfg.groups[0], left.Groups[0].Config))
	info, err := os.Stat(cfg.stateFile())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestReadState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	left, err := readState(path)
	require.NoError(t, err)
	require.Nil(t, left)
	for text, want := range map[string]*savedState{
		"": {}, "{": {}, "[]": {}, "{}": {},
		`{"version":1,"boot":"another boot","groups":[]}`: nil,
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		left, err = readState(path)
		require.NoError(t, err, text)
		require.Equal(t, want, left, text)
	}
	require.NoError(t, os.WriteFile(path, []byte(`{"version":99}`), 0o600))
	_, err = readState(path)
	require.ErrorContains(t, err, "newer")
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700))
	_, err = readState(path)
	require.Error(t, err)
}

func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	path := filepath.Join(dir, "supervisord.conf")
	var text strings.Builder
	fmt.Fprintf(&text, "[supervisord]\npidfile=%[1]s/p\nlogfile=%[1]s/l\n[unix_http_server]\nfile=%[1]s/s\n", dir)
	for i := range 500 {
		fmt.Fprintf(&text, "[group:g%[1]d]\nprograms=g%[1]d_a\n[program:g%[1]d_a]\ncommand=/bin/x\nuser=0\nenvironment=A=\"1\"\n", i)
	}
	require.NoError(b, os.WriteFile(path, []byte(text.String()), 0o600))
	for b.Loop() {
		if _, err := loadConfig(path, nil); err != nil {
			b.Fatal(err)
		}
	}
}
