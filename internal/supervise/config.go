package supervise

import (
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"time"
)

// config is what the configuration files say.
type config struct {
	file        string // path of supervisord.conf, absolute
	identifier  string
	logFile     string // empty: none
	logMaxBytes int64
	logBackups  int
	logLevel    slog.Level
	pidFile     string
	childLogDir string
	directory   string
	umask       int
	socket      string
	socketMode  uint32
	socketOwner [2]int // uid, gid; -1: unchanged
	username    string
	password    string
	groups      []groupConfig     // by priority
	environment map[string]string // of [supervisord], already merged into the programs
}

// serverURL is what clients and processes are told.
func (c *config) serverURL() string { return "unix://" + c.socket }

// groupConfig is one group of processes: a [group:], a [program:] outside any
// group or an [eventlistener:]. It is kept in the state file too, so that a new
// daemon knows what an adopted process was started from.
type groupConfig struct {
	Name     string          `json:"name"`
	Priority int             `json:"priority"`
	Programs []programConfig `json:"programs"` // by priority
	// Events is not empty for an event listener: the types it subscribes to.
	Events     []string `json:"events,omitempty"`
	BufferSize int      `json:"buffer_size,omitempty"`
}

func (g *groupConfig) isListener() bool { return len(g.Events) > 0 }

// isVacant tells that this is an event listener without a command, which slapgrid
// writes where there is no watchdog. Such a group is known by its name, so that it can be
// replaced, but it is never started, sent nothing and listed nowhere: a node
// without a watchdog is healthy. Compat: supervisord tries to start it and lists it as FATAL.
func (g *groupConfig) isVacant() bool {
	return g.isListener() && !slices.ContainsFunc(g.Programs, func(p programConfig) bool {
		return strings.TrimSpace(p.Command) != ""
	})
}

// restart is the value of autorestart.
type restart string

const (
	restartNever      restart = "false"
	restartUnexpected restart = "unexpected"
	restartAlways     restart = "true"
)

// programConfig is one process of a group.
type programConfig struct {
	Name        string            `json:"name"`
	Command     string            `json:"command"`
	Directory   string            `json:"directory,omitempty"`
	Umask       *int              `json:"umask,omitempty"`
	Priority    int               `json:"priority"`
	User        *userConfig       `json:"user,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	ServerURL   string            `json:"server_url,omitempty"` // empty: the daemon's own
	Policy      policy            `json:"policy"`
	Stdout      logConfig         `json:"stdout"`
	Stderr      logConfig         `json:"stderr"` // unused with RedirectStderr
	Redirect    bool              `json:"redirect_stderr"`
}

// policy is the part of a program's configuration that the state machine needs.
type policy struct {
	AutoStart    bool           `json:"autostart"`
	AutoRestart  restart        `json:"autorestart"`
	MinUptime    time.Duration  `json:"startsecs"`
	StartRetries int            `json:"startretries"`
	ExitCodes    []int          `json:"exitcodes"`
	StopSignal   syscall.Signal `json:"stopsignal"`
	StopWait     time.Duration  `json:"stopwaitsecs"`
	StopAsGroup  bool           `json:"stopasgroup"`
	KillAsGroup  bool           `json:"killasgroup"`
}

// userConfig is whom a process runs as, already looked up.
type userConfig struct {
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups"`
}

// logConfig is where one output stream goes.
type logConfig struct {
	File     string `json:"file,omitempty"` // empty: nowhere, unless Auto
	Auto     bool   `json:"auto,omitempty"` // a file of the daemon's choice in childlogdir
	MaxBytes int64  `json:"maxbytes,omitempty"`
	Backups  int    `json:"backups,omitempty"`
}
