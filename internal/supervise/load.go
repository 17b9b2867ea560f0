package supervise

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// loader turns a document into a config.
type loader struct {
	doc   *document
	names map[string]string // what %(...)s may name everywhere
	cfg   *config
}

// loadConfig reads supervisord.conf and the files that it includes. env are the
// variables that %(ENV_x)s may name.
func loadConfig(path string, env []string) (*config, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("could not find config file %s", path)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("host name: %w", err)
	}
	here := filepath.Dir(path)
	l := &loader{
		doc:   newDocument(),
		names: map[string]string{"here": here, "host_node_name": host},
		cfg:   &config{file: path},
	}
	for _, entry := range env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			l.names["ENV_"+name] = value
		}
	}
	if err := l.doc.readFile(path, here); err != nil {
		return nil, err
	}
	if err := l.include(here); err != nil {
		return nil, err
	}
	if err := l.load(); err != nil {
		return nil, err
	}
	return l.cfg, nil
}

// include reads the files that [include] names, in sorted order per pattern.
func (l *loader) include(here string) error {
	s := l.doc.section("include")
	if s == nil {
		return nil
	}
	files, ok := s.options["files"]
	if !ok {
		return errors.New("the [include] section has no files setting")
	}
	files, err := expand(files, l.names, "include.files")
	if err != nil {
		return err
	}
	for _, pattern := range strings.Fields(files) {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(here, pattern)
		}
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("include pattern %s: %w", pattern, err)
		}
		for _, file := range matches { // Glob sorts
			if isHidden(file) && !isHidden(pattern) {
				continue // as for a shell: such as an editor's
			}
			if err := l.doc.readFile(file, filepath.Dir(file)); err != nil {
				if errors.Is(err, os.ErrNotExist) {
					continue // removed meanwhile
				}
				return err
			}
		}
	}
	return nil
}

func isHidden(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") }

func (l *loader) load() error {
	for _, s := range l.doc.sections {
		kind, _, _ := strings.Cut(s.name, ":")
		if kind == "inet_http_server" || kind == "fcgi-program" {
			return fmt.Errorf("section [%s] (file %s) is not supported", s.name, s.file)
		}
	}
	if err := l.daemon(); err != nil {
		return err
	}
	if err := l.server(); err != nil {
		return err
	}
	l.cfg.absolute()
	if err := l.groups(); err != nil {
		return err
	}
	slices.SortStableFunc(l.cfg.groups, func(a, b groupConfig) int { return cmp.Compare(a.Priority, b.Priority) })
	return nil
}

// daemon reads [supervisord].
func (l *loader) daemon() error {
	s := l.doc.section("supervisord")
	if s == nil {
		return errors.New(".ini file does not include supervisord section")
	}
	r := &reader{section: s, names: l.names}
	c := l.cfg
	c.logFile = r.path("logfile", "supervisord.log")
	if lower := strings.ToLower(c.logFile); lower == "none" || lower == "off" {
		c.logFile = ""
	}
	c.logMaxBytes = r.bytes("logfile_maxbytes", 50<<20)
	c.logBackups = r.int("logfile_backups", 10)
	level := r.path("loglevel", "info")
	var ok bool
	if c.logLevel, ok = parseLevel(level); !ok {
		r.fail("loglevel", fmt.Errorf("bad logging level name %q", level))
	}
	c.pidFile = r.path("pidfile", "supervisord.pid")
	c.identifier = r.string("identifier", "supervisor")
	c.childLogDir = r.path("childlogdir", "/tmp")
	c.directory = r.path("directory", "")
	c.umask = r.octal("umask", 0o022)
	c.environment = r.pairs("environment")
	for name, value := range c.environment {
		l.names["ENV_"+name] = value
	}
	return r.err
}

// server reads [unix_http_server].
func (l *loader) server() error {
	s := l.doc.section("unix_http_server")
	if s == nil {
		return errors.New("the configuration has no [unix_http_server] section, and nothing else is served")
	}
	r := &reader{section: s, names: l.names}
	c := l.cfg
	if c.socket = r.path("file", ""); c.socket == "" && r.err == nil {
		return errors.New("section [unix_http_server] has no file value")
	}
	c.socketMode = uint32(r.octal("chmod", 0o700)) //nolint:gosec // octal refuses what does not fit
	c.socketOwner = r.owner("chown")
	c.username = r.string("username", "")
	c.password = r.string("password", "")
	if (c.username == "") != (c.password == "") {
		r.fail("username", errors.New("username and password must be given together"))
	}
	if strings.HasPrefix(c.password, "{SHA}") {
		r.fail("password", errors.New("hashed passwords are not supported: write the password itself"))
	}
	return r.err
}

// groups reads [group:], then the programs that are in no group, then listeners.
func (l *loader) groups() error {
	grouped := map[string]bool{}
	for _, s := range l.doc.sections {
		if name, ok := strings.CutPrefix(s.name, "group:"); ok {
			if err := l.group(s, name, grouped); err != nil {
				return err
			}
		}
	}
	for _, s := range l.doc.sections {
		name, ok := strings.CutPrefix(s.name, "program:")
		if !ok || grouped[s.name] {
			continue
		}
		if err := l.single(s, name, 999); err != nil {
			return err
		}
	}
	for _, s := range l.doc.sections {
		if name, ok := strings.CutPrefix(s.name, "eventlistener:"); ok {
			if err := l.listener(s, name); err != nil {
				return err
			}
		}
	}
	return l.checkNames()
}

func (l *loader) group(s *section, name string, grouped map[string]bool) error {
	r := &reader{section: s, names: l.names}
	g := groupConfig{Name: r.name("group", name), Priority: r.int("priority", 999)}
	for _, program := range r.list("programs") {
		ps := l.doc.section("program:" + program)
		if ps == nil {
			return fmt.Errorf("[%s] names unknown program %s (file: %s)", s.name, program, s.file)
		}
		grouped[ps.name] = true
		programs, err := l.programs(ps, program, g.Name)
		if err != nil {
			return err
		}
		g.Programs = append(g.Programs, programs...)
	}
	slices.SortFunc(g.Programs, func(a, b programConfig) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Name, b.Name))
	})
	l.cfg.groups = append(l.cfg.groups, g)
	return r.err
}

// single makes a group of one [program:] or [eventlistener:] section.
func (l *loader) single(s *section, name string, priority int) error {
	r := &reader{section: s, names: l.names}
	g := groupConfig{Name: r.name("program", name), Priority: r.int("priority", priority)}
	if r.err != nil {
		return r.err
	}
	var err error
	if g.Programs, err = l.programs(s, name, g.Name); err != nil {
		return err
	}
	l.cfg.groups = append(l.cfg.groups, g)
	return nil
}

// listener reads an [eventlistener:]. Listeners start first and stop last.
func (l *loader) listener(s *section, name string) error {
	if err := l.single(s, name, -1); err != nil {
		return err
	}
	g := &l.cfg.groups[len(l.cfg.groups)-1]
	r := &reader{section: s, names: l.names}
	for _, event := range r.list("events") {
		event = strings.ToUpper(event)
		if !knownEvent(event) {
			r.fail("events", fmt.Errorf("unknown event type %s", event))
		}
		g.Events = append(g.Events, event)
	}
	slices.Sort(g.Events)
	if len(g.Events) == 0 {
		r.fail("events", errors.New("an event listener requires an events line"))
	}
	if g.isVacant() {
		for i := range g.Programs {
			g.Programs[i].Policy.AutoStart = false
		}
	}
	if g.BufferSize = r.int("buffer_size", 10); g.BufferSize < 1 {
		r.fail("buffer_size", errors.New("must be positive"))
	}
	if r.bool("redirect_stderr", false) {
		r.fail("redirect_stderr", errors.New("would disturb the event listener protocol"))
	}
	return r.err
}

// checkNames refuses two groups, or two processes of a group, of one name.
func (l *loader) checkNames() error {
	groups := map[string]bool{}
	for _, g := range l.cfg.groups {
		if groups[g.Name] {
			return fmt.Errorf("two groups are called %s", g.Name)
		}
		groups[g.Name] = true
		programs := map[string]bool{}
		for _, p := range g.Programs {
			if programs[p.Name] {
				return fmt.Errorf("group %s has two processes called %s", g.Name, p.Name)
			}
			programs[p.Name] = true
		}
	}
	return nil
}
