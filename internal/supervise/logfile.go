package supervise

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// errNotRegular is wrapped by the error about a log file that is something else.
var errNotRegular = errors.New("not a regular file")

// openLog opens a log file for appending and creates it. A pipe that nobody reads
// is an error: the daemon does not wait for a reader. Where the directory may belong
// to another user (untrusted), symbolic links and special files are refused: that
// user could make the daemon write elsewhere.
func openLog(path string, untrusted bool) (*os.File, error) {
	flags := os.O_WRONLY | os.O_APPEND | os.O_CREATE | unix.O_NONBLOCK
	if untrusted {
		flags |= unix.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil || !untrusted {
		return f, err
	}
	if err := private(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// private refuses what is no regular file, or has another name elsewhere: it
// may be somebody else's file.
func private(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !info.Mode().IsRegular() || ok && st.Nlink > 1 {
		return fmt.Errorf("%s: %w, or has several names: remove it", f.Name(), errNotRegular)
	}
	return nil
}

// rotateLog bounds the log file c.File: when it reached MaxBytes its end is copied to
// <file>.1, after older copies moved up by one, and the file is truncated. Processes that hold it
// open for appending go on at its new end; what they write between copy and truncation is lost.
func rotateLog(c logConfig) (rotated bool, err error) {
	if c.File == "" || c.MaxBytes <= 0 {
		return false, nil
	}
	info, err := os.Lstat(c.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular() || info.Size() < c.MaxBytes:
		return false, nil
	}
	f, err := os.OpenFile(c.File, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := private(f); err != nil {
		return false, err
	}
	if c.Backups > 0 {
		if err := copyToBackup(f, c); err != nil {
			return false, fmt.Errorf("rotate %s: %w", c.File, err)
		}
	}
	if err := f.Truncate(0); err != nil {
		return false, fmt.Errorf("rotate %s: %w", c.File, err)
	}
	return true, nil
}

// copyToBackup keeps the end of f as <file>.1. The copy gets that name once it is
// complete: on a full disk the older ones stay, however often this is tried.
func copyToBackup(f *os.File, c logConfig) (err error) {
	// The oldest copy would go in any case, and may make room.
	if err := remove(c.File + "." + strconv.Itoa(c.Backups)); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	// Never keep more than MaxBytes, however much was written since the last look.
	if _, err := f.Seek(max(0, size-c.MaxBytes), io.SeekStart); err != nil {
		return err
	}
	temporary := c.File + ".1.new"
	if err := remove(temporary); err != nil {
		return err
	}
	backup, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(backup, io.LimitReader(f, c.MaxBytes))
	if err = errors.Join(err, backup.Close()); err == nil {
		err = shiftBackups(c.File, c.Backups)
	}
	if err == nil {
		err = os.Rename(temporary, c.File+".1")
	}
	if err != nil {
		err = errors.Join(err, remove(temporary))
	}
	return err
}

// shiftBackups moves the copies up by one, so that <path>.1 is free.
func shiftBackups(path string, backups int) error {
	for i := backups - 1; i >= 1; i-- {
		from, to := path+"."+strconv.Itoa(i), path+"."+strconv.Itoa(i+1)
		if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// clearLog empties a log file that exists.
func clearLog(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err = private(f); err == nil {
		err = f.Truncate(0)
	}
	return errors.Join(err, f.Close())
}

// Errors of readLog, for the faults of the interface.
var (
	errBadArguments = errors.New("bad arguments")
	errReadFailed   = errors.New("reading failed")
)

// maxLogRead bounds one answer about a log file, in bytes.
const maxLogRead = 16 << 20

// readLog returns length bytes of a file from offset. A negative offset counts
// from the end, and length must be 0 then; length 0 means the rest.
func readLog(log source, offset, length int64) (string, error) {
	if length < 0 || offset < 0 && length != 0 {
		return "", errBadArguments
	}
	f, err := openRegular(log)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if offset < 0 {
		size, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return "", fmt.Errorf("%w: %w", errReadFailed, err)
		}
		offset = max(0, size+offset)
	}
	if length == 0 || length > maxLogRead {
		length = maxLogRead
	}
	return readAt(f, offset, length)
}

// tailLog returns at most length bytes of a file from offset on, or, if more
// than that was written since, its end; with the size of the file and whether some was skipped.
func tailLog(log source, offset, length int64) (text string, size int64, overflow bool) {
	f, err := openRegular(log)
	if err != nil {
		return "", offset, false
	}
	defer f.Close()
	if size, err = f.Seek(0, io.SeekEnd); err != nil {
		return "", offset, false
	}
	offset, length, overflow = tailWindow(size, offset, min(length, maxLogRead))
	if length == 0 {
		return "", size, overflow
	}
	if text, err = readAt(f, offset, length); err != nil {
		return "", offset, false
	}
	return text, size, overflow
}

// tailWindow computes which part of a file of this size tailLog returns.
func tailWindow(size, offset, length int64) (from, count int64, overflow bool) {
	if size > offset+length {
		overflow = true
		offset = size - 1
	}
	if offset+length > size {
		if offset > size-1 {
			length = 0
		}
		offset = size - length
	}
	return max(0, offset), max(0, length), overflow
}

// source is a log file that is read. Where another user may own its directory
// (untrusted), a link is not followed: it may lead to what that user cannot read.
type source struct {
	path      string
	untrusted bool
}

func openRegular(log source) (*os.File, error) {
	flags := os.O_RDONLY | unix.O_NONBLOCK
	if log.untrusted {
		flags |= unix.O_NOFOLLOW
	}
	f, err := os.OpenFile(log.path, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errReadFailed, err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s: %w", log.path, errNotRegular), errReadFailed, err, f.Close())
	}
	return f, nil
}

func readAt(f *os.File, offset, length int64) (string, error) {
	var b strings.Builder
	if _, err := io.Copy(&b, io.NewSectionReader(f, offset, length)); err != nil {
		return "", fmt.Errorf("%w: %w", errReadFailed, err)
	}
	return b.String(), nil
}
