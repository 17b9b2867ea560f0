package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

const (
	// defaultSoftwareRoot is the local software release root unless told otherwise.
	defaultSoftwareRoot = "/"
	// settingSoftwareRoot is the name of the root in the store.
	settingSoftwareRoot = "local_software_release_root"
	// softwareRootBackup is the kind of backup made before a move.
	softwareRootBackup = "softwareroot"
)

// WithLocalSoftwareReleaseRoot sets the directory below which software releases lie
// that are named by a path, an absolute path itself: the configuration key
// local_software_release_root. The default is "/".
//
// The database keeps it. If it is another one when the database is opened, the
// releases were moved: unless one directory contains the other, paths below the old
// one, of supplied releases and of instances, become paths below the new one. URLs
// with a scheme and other paths stay, and so does a path to an existing file that is
// not at the new place. See "Moved releases" in the package comment.
func WithLocalSoftwareReleaseRoot(path string) Option {
	return func(c *config) error {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("the local software release root %q is not an absolute path", path)
		}
		c.softwareRoot = filepath.Clean(path)
		return nil
	}
}

// followSoftwareRoot changes the paths of releases if the configured root is not the
// one that the database has, and keeps it, in one transaction.
func (c *config) followSoftwareRoot(ctx context.Context, db store.Store, database string) error {
	var seen softwareMove
	err := db.View(ctx, func(r store.Reader) (err error) {
		seen, err = c.softwareMove(r)
		return err
	})
	if err != nil || seen.stays() {
		return err
	}
	reason := seen.keepsPaths()
	if reason == "" {
		if err := c.backUpBeforeMove(ctx, db, database); err != nil {
			return err
		}
	} else {
		c.logger.Info("Do not rebase any URLs because " + reason)
	}
	return db.Update(ctx, func(t store.Tx) error {
		// Another master of the database may have been faster.
		m, err := c.softwareMove(t)
		if err != nil || m.stays() {
			return err
		}
		if m.from != seen.from {
			return fmt.Errorf("another master changed the local software release root to %s meanwhile: "+
				"all masters of a database must have the same", m.from)
		}
		if reason == "" {
			if err := m.rebase(t); err != nil {
				return err
			}
		}
		return t.SaveSetting(settingSoftwareRoot, m.to)
	})
}

// backUpBeforeMove copies a database that is a file.
func (c *config) backUpBeforeMove(ctx context.Context, db store.Store, database string) error {
	file, ok := db.(*store.SQLite)
	switch {
	case !ok:
		c.logger.Warn("the database is not backed up before URLs are rebased: pg_dump does that", "database", DatabaseName(database))
		return nil
	case database == "" || database == store.Memory:
		return nil
	}
	path := store.BackupName(database, softwareRootBackup, time.Now())
	c.logger.Info("Backuping database to " + path)
	if err := file.Backup(ctx, path, false); err != nil {
		return fmt.Errorf("back up the database before URLs are rebased to %s: %w", c.softwareRoot, err)
	}
	return nil
}

// softwareMove is a change of the local software release root.
type softwareMove struct {
	from, to string
	log      *slog.Logger
}

func (c *config) softwareMove(r store.Reader) (softwareMove, error) {
	from, err := r.Setting(settingSoftwareRoot)
	if from == "" {
		from = defaultSoftwareRoot
	}
	return softwareMove{filepath.Clean(from), c.softwareRoot, c.logger}, err
}

func (m softwareMove) stays() bool { return m.from == m.to }

// keepsPaths tells why no path changes, or nothing if paths may.
func (m softwareMove) keepsPaths() string {
	if !filepath.IsAbs(m.from) { // what it is below was known to the Python proxy only
		return m.from + " is not an absolute path"
	}
	if _, below := pathBelow(m.from, m.to); below {
		return m.to + " is a subpath of " + m.from
	}
	if _, below := pathBelow(m.to, m.from); below {
		return m.to + " is a superpath of " + m.from
	}
	return ""
}

// pathBelow returns what leads from a directory to a path that is in it.
func pathBelow(directory, path string) (relative string, below bool) {
	if !filepath.IsAbs(path) {
		return "", false
	}
	relative, err := filepath.Rel(directory, path)
	return relative, err == nil && filepath.IsLocal(relative)
}

// rebase changes the paths of all releases.
func (m softwareMove) rebase(t store.Tx) error {
	m.log.Info("Rebase URLs on local software release root path")
	m.log.Info("Old root path: " + m.from)
	m.log.Info("New root path: " + m.to)
	computers, err := t.Computers()
	if err != nil {
		return err
	}
	for _, c := range computers {
		if err := m.rebaseSupplied(t, c); err != nil {
			return err
		}
	}
	for _, c := range computers {
		if err := m.rebaseInstances(t, c); err != nil {
			return err
		}
	}
	return nil
}

// rebaseSupplied changes the paths of what is supplied on a computer. A release that
// is supplied at both places is one afterwards, and available if one of them was.
func (m softwareMove) rebaseSupplied(t store.Tx, c *store.Computer) error {
	supplied, err := t.Software(c)
	if err != nil {
		return err
	}
	for _, s := range supplied {
		path := m.rebased(s.URL)
		if path == s.URL {
			continue
		}
		there, err := t.SoftwareByURL(c, path)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return err
		default:
			less := there
			if there.State == stateAvailable || s.State != stateAvailable {
				less = s
			}
			if err := t.DeleteSoftware(less); err != nil {
				return err
			}
			if less == s {
				continue
			}
		}
		if err := t.MoveSoftware(s, path); err != nil {
			return err
		}
	}
	return nil
}

func (m softwareMove) rebaseInstances(t store.Tx, c *store.Computer) error {
	partitions, err := t.Partitions(c)
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if p.Instance == nil {
			continue
		}
		path := m.rebased(p.Instance.Release)
		if path == p.Instance.Release {
			continue
		}
		p.Instance.Release = path
		if err := t.SaveInstance(p); err != nil {
			return err
		}
	}
	return nil
}

// hasScheme matches what is a URL, not a path.
var hasScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// rebased is where a release is now. The files are those that this process sees.
func (m softwareMove) rebased(release string) string {
	m.log.Debug("Examining URL " + loggedRelease(release))
	if release == "" || hasScheme.MatchString(release) {
		m.log.Debug("  Do not rebase because it is not a path")
		return release
	}
	relative, below := pathBelow(m.from, release)
	if !below {
		m.log.Debug("  Do not rebase because it is not a subpath of " + m.from)
		return release
	}
	moved := filepath.Join(m.to, relative)
	if isFile(release) && !isFile(moved) {
		m.log.Debug("  Do not rebase because it refers to an existing file but " + loggedRelease(moved) + " does not")
		return release
	}
	m.log.Debug("  Migrate to rebased URL " + loggedRelease(moved))
	return moved
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// loggedRelease is a release on one line, without who fetches it and with what.
func loggedRelease(release string) string {
	if strings.ContainsFunc(release, unicode.IsControl) {
		release = strconv.Quote(release)
	}
	if !strings.Contains(release, "@") || filepath.IsAbs(release) {
		return release
	}
	u, err := url.Parse(release)
	if err != nil || u.Opaque != "" {
		return "***"
	}
	if u.User != nil {
		u.User = url.User("xxxxx")
	}
	return u.String()
}
