package supervise

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"
)

// maxProcesses bounds numprocs.
const maxProcesses = 1000

// programs reads the processes of one [program:] or [eventlistener:] section.
func (l *loader) programs(s *section, name, group string) ([]programConfig, error) {
	r := &reader{section: s, names: maps.Clone(l.names)}
	r.names["program_name"] = r.name("program", name)
	r.names["group_name"] = group
	count, first := r.int("numprocs", 1), r.int("numprocs_start", 0)
	if count < 0 || count > maxProcesses {
		r.fail("numprocs", errors.New("out of range"))
	}
	if count > 1 && !strings.Contains(s.options["process_name"], "%(process_num)") {
		r.fail("process_name", errors.New("must contain %(process_num) when numprocs > 1"))
	}
	var programs []programConfig
	for i := first; i < first+count && r.err == nil; i++ {
		r.names["process_num"] = strconv.Itoa(i)
		r.names["numprocs"] = strconv.Itoa(count)
		programs = append(programs, l.program(r))
	}
	return programs, r.err
}

// program reads one process; errors are left in r.
func (l *loader) program(r *reader) programConfig {
	environment := r.pairs("environment")
	for name, value := range environment {
		r.names["ENV_"+name] = value
	}
	merged := maps.Clone(l.cfg.environment)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, environment)
	p := programConfig{
		Name:        r.name("process", r.string("process_name", r.names["program_name"])),
		Command:     r.string("command", ""),
		Directory:   r.path("directory", l.cfg.directory),
		Priority:    r.int("priority", 999),
		User:        r.user(),
		Environment: merged,
		Policy:      r.policy(),
		Redirect:    r.bool("redirect_stderr", false),
	}
	if _, ok := r.section.options["command"]; !ok {
		r.fail("command", errors.New("does not specify a command"))
	}
	if _, ok := r.section.options["umask"]; ok {
		mask := r.octal("umask", 0)
		p.Umask = &mask
	}
	if url := r.string("serverurl", "AUTO"); !strings.EqualFold(strings.TrimSpace(url), "AUTO") {
		p.ServerURL = url
	}
	p.Stdout = r.log("stdout")
	p.Stderr = r.log("stderr")
	if p.Redirect {
		p.Stderr = logConfig{} // never made when redirected
	}
	return p
}

func (r *reader) policy() policy {
	p := policy{
		AutoStart:    r.bool("autostart", true),
		AutoRestart:  r.restart("autorestart"),
		MinUptime:    r.seconds("startsecs", 1),
		StartRetries: r.int("startretries", 3),
		ExitCodes:    r.exitCodes("exitcodes"),
		StopSignal:   r.signal("stopsignal"),
		StopWait:     r.seconds("stopwaitsecs", 10),
		StopAsGroup:  r.bool("stopasgroup", false),
	}
	p.KillAsGroup = r.bool("killasgroup", p.StopAsGroup)
	if p.StopAsGroup && !p.KillAsGroup {
		r.fail("killasgroup", errors.New("must not be false when stopasgroup is true"))
	}
	return p
}

func (r *reader) log(stream string) logConfig {
	c := logConfig{
		MaxBytes: r.bytes(stream+"_logfile_maxbytes", 50<<20),
		Backups:  r.int(stream+"_logfile_backups", 10),
	}
	switch file := r.string(stream+"_logfile", "AUTO"); strings.ToLower(file) {
	case "none", "off", "syslog":
	case "auto":
		c.Auto = true
	default:
		c.File = file
	}
	return c
}

func (r *reader) seconds(key string, fallback int) time.Duration {
	n := r.int(key, fallback)
	const limit = 10 * 365 * 24 * 3600
	if n < 0 || n > limit {
		r.fail(key, errors.New("out of range"))
		return 0
	}
	return time.Duration(n) * time.Second
}
