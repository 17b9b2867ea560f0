package slapgrid

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
)

// upToDate decides whether a partition has nothing new and was processed
// recently enough.
//
//	stored is the timestamp of the last success, processed when that was;
//	wanted is the timestamp of the master; empty means it gives none;
//	a negative periodicity never ages, zero always does;
//	a success as far in the future is too old as well: the clock was wrong.
func upToDate(stored string, processed time.Time, wanted string, periodicity time.Duration, now time.Time) bool {
	switch {
	case wanted == "" || periodicity == 0 || stored != wanted:
		return false
	case periodicity < 0:
		return true
	}
	return now.Sub(processed).Abs() <= periodicity
}

// checkUpToDate reads what [upToDate] decides on. When the partition has to be
// processed the stored timestamp is removed first, so that a run that fails is
// tried again by the next one, forced runs included.
func (p *partition) checkUpToDate(force bool) (bool, error) {
	periodicity, err := p.periodicity()
	if err != nil {
		return false, err
	}
	// Whoever writes that file decides whether the partition is processed.
	data, err := p.readOwn(timestampFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	var processed time.Time
	if err == nil {
		info, err := p.files.Lstat(timestampFile)
		if err != nil {
			return false, err
		}
		processed = info.ModTime()
	}
	// An unreadable timestamp is like a wrong one.
	if err == nil && !force && upToDate(string(data), processed, p.timestamp, periodicity, p.node.now()) {
		return true, nil
	}
	return false, p.files.RemoveTree(timestampFile)
}

// forgetPeriodicity removes the wish of a release.
func (p *partition) forgetPeriodicity() error {
	dir, _, err := openRelease(p.releaseDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Delete("periodicity")
}

// periodicity is the age at which an unchanged partition is processed again:
// that of the release if it has one. A file that holds no number is removed.
func (p *partition) periodicity() (time.Duration, error) {
	fallback := p.node.cfg.MaximumPeriodicity
	if p.node.cfg.AlwaysProcess {
		fallback = 0
	}
	if p.releaseDir == "" {
		return fallback, nil
	}
	path := filepath.Join(p.releaseDir, "periodicity")
	info, err := os.Lstat(p.releaseDir) // of a link, whoever made it
	if err != nil {
		return fallback, nil // no release: the steps will tell
	}
	data, err := confined.ReadForeign(path, child.OwnerIn(info, p.releaseDir).UID)
	if err != nil {
		return fallback, nil // absent or unreadable: no wish of the release
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil {
		p.log.Error("Periodicity of the release is no number, it is removed", "file", path)
		return fallback, p.forgetPeriodicity()
	}
	return time.Duration(max(-maxSeconds, min(seconds, maxSeconds))) * time.Second, nil
}
