package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/slapos/slapos-go/internal/atomicfile"
)

// program is one entry of a group of the supervisor.
type program struct {
	name, command, processName string
}

// programs lists what a partition runs: the names of etc/run, then those of
// etc/service, which the watchdog looks after. Of two with one name, as the
// supervisor cannot have them, it is the latter that runs.
func (p *partition) programs() ([]program, error) {
	var all []program
	for _, kind := range []struct{ dir, suffix string }{{"etc/run", ""}, {"etc/service", "-on-watch"}} {
		names, err := p.files.Names(kind.dir)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if err := checkName(name); err != nil {
				return nil, fmt.Errorf("program in %s: %w (rename the file)", filepath.Join(p.dir, kind.dir), err)
			}
			all = append(all, program{
				name: name, processName: name + kind.suffix,
				command: filepath.Join(p.dir, kind.dir, name),
			})
		}
	}
	return p.withoutTwins(all), nil
}

func (p *partition) withoutTwins(all []program) []program {
	last := map[string]string{}
	for _, prog := range all {
		last[prog.name] = prog.command
	}
	return slices.DeleteFunc(all, func(prog program) bool {
		twin := last[prog.name]
		if twin != prog.command {
			p.log.Warn("a program is not run because of another one with its name", "program", prog.command, "other", twin)
		}
		return twin != prog.command
	})
}

// groupSections is the content of the file that tells the supervisor about
// the programs of a partition.
func (p *partition) groupSections(programs []program) []byte {
	var f ini
	names := make([]string, len(programs))
	for i, prog := range programs {
		names[i] = p.id + "_" + prog.name
	}
	f.section("group:"+p.id, "programs", escapePercent(strings.Join(names, ",")))
	for i, prog := range programs {
		log := escapePercent(filepath.Join(p.dir, "."+names[i]+".log"))
		// A daemon refuses users that the account database does not have;
		// such a one can only be its own.
		var account []string
		if p.owner.Known {
			account = []string{"user", strconv.Itoa(p.owner.UID), "group", strconv.Itoa(p.owner.GID)}
		}
		f.section("program:"+names[i], slices.Concat([]string{
			"directory", escapePercent(p.dir),
			"command", escapePercent(prog.command),
			"process_name", escapePercent(prog.processName),
			"autostart", "false", "autorestart", "false",
			"startsecs", "0", "startretries", "0", "exitcodes", "0",
			"stopsignal", "TERM", "stopwaitsecs", "60",
			"stopasgroup", "true", "killasgroup", "true",
		}, account, []string{
			"serverurl", "AUTO", "redirect_stderr", "true",
			"stdout_logfile", log,
			"stdout_logfile_maxbytes", "100KB", "stdout_logfile_backups", "1",
			"stderr_logfile", log,
			"stderr_logfile_maxbytes", "100KB", "stderr_logfile_backups", "1",
			"environment", escapePercent(fmt.Sprintf(`USER="%s",LOGNAME="%s",HOME="%s"`,
				p.owner.Name, p.owner.Name, p.owner.Home)),
		})...)
	}
	return f.Bytes()
}

// writeGroup makes the supervisor's file of a started partition match its
// programs and removes left-over files of other groups of the partition. The
// daemon is always told: an agent that was killed may have changed the files
// without.
func (p *partition) writeGroup(ctx context.Context) error {
	programs, err := p.programs()
	if err != nil {
		return err
	}
	if len(programs) == 0 {
		p.log.WarnContext(ctx, fmt.Sprintf("No runners nor services found for partition '%s'", p.id))
		return p.removeGroups(ctx)
	}
	if _, err := atomicfile.WriteIfChanged(p.node.groupConf(p.id), p.groupSections(programs), 0o600); err != nil {
		return err
	}
	if _, err := p.removeGroupFiles(p.id); err != nil {
		return err
	}
	return p.node.supervisor.Update(ctx)
}

// removeGroups takes every file of the partition away from the supervisor,
// which stops what runs and is waited for.
func (p *partition) removeGroups(ctx context.Context) error {
	removed, err := p.removeGroupFiles("")
	if err != nil {
		return err
	}
	if err := p.node.supervisor.Update(ctx); err != nil {
		// Without a daemon nothing runs. One that cannot be told may still run what
		// an agent that was killed took away from the files.
		if removed || !isRefusal(err) {
			return err
		}
		p.log.DebugContext(ctx, "no supervisor to stop the partition in", "error", err)
	}
	if !removed {
		return nil
	}
	p.log.InfoContext(ctx, fmt.Sprintf("Requested stop of %s...", p.id))
	return nil
}

// removeGroupFiles removes the files of all groups of the partition but one.
// Partition part1 never touches those of part1a, nor of a partition part1-a.
func (p *partition) removeGroupFiles(except string) (removed bool, err error) {
	dir := filepath.Dir(p.node.groupConf(p.id))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		group, isConf := strings.CutSuffix(entry.Name(), ".conf")
		mine := group == p.id || strings.HasPrefix(group, p.id+"-")
		if !isConf || !mine || group == except || group != p.id && exists(p.node.supervisorPath(group)) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
		removed = true
	}
	return removed, nil
}
