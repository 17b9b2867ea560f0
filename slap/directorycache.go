package slap

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slapos/slapos-go/internal/atomicfile"
)

// NewDirectoryCache returns a cache in a directory, which outlives the process,
// so that a program knows the last answers even if it starts while the master
// is away. The directory is made, for the user only, if it does not exist; it
// is an error if others may write to it or own it, because they could put
// answers there.
//
// Its files hold up to a number of bytes; what was stored first is dropped
// first. Each is replaced in one step and readable by the user only, and their
// names do not tell what is in them. Several processes may use the directory
// at once. Files that cannot be read, are no regular files or too large are
// taken for absent, and a value that cannot be written is not kept.
func NewDirectoryCache(dir string, maxBytes int64) (Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cache directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("cache directory: %w", err)
	}
	if err := writableByOthers(info); err != nil {
		return nil, fmt.Errorf("cache directory %s: %w", dir, err)
	}
	return &directoryCache{dir: dir, most: maxBytes}, nil
}

type directoryCache struct {
	dir  string
	most int64

	mu sync.Mutex
	// written counts bytes since the sizes were last looked at; looked tells
	// that they were.
	written int64
	looked  bool
}

// cacheSuffix ends the names of the files of a cache.
const cacheSuffix = ".answer"

// leftover is the age from which a temporary file is one of a process that died.
const leftover = time.Minute

func (d *directoryCache) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(d.dir, hex.EncodeToString(sum[:])+cacheSuffix)
}

func (d *directoryCache) Get(key string) ([]byte, bool) {
	path := d.path(key)
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || info.Size() > d.most {
		return nil, false
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, false
	}
	value, err := readBounded(file, d.most, info.Size())
	return value, err == nil
}

func (d *directoryCache) Set(key string, value []byte) {
	if int64(len(value)) > d.most {
		d.Delete(key)
		return
	}
	// What is not flushed to the disk could be damaged by a crash, which would be
	// noticed; atomicfile flushes all the same, and answers come slowly enough.
	if err := atomicfile.Write(d.path(key), value, 0o600); err != nil {
		// An old value must not be taken for the newest.
		d.Delete(key)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.written += int64(len(value))
	if !d.looked || d.written > d.most/16 {
		d.looked, d.written = true, 0
		d.shrink()
	}
}

func (d *directoryCache) Delete(key string) { d.remove(d.path(key)) }

// shrink removes the oldest files until the others leave room for what is
// written before the next look, and what processes that died left behind.
func (d *directoryCache) shrink() {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return
	}
	var files []fs.FileInfo
	var used int64
	for _, entry := range entries {
		info, err := entry.Info()
		switch {
		case err != nil:
		case strings.HasSuffix(entry.Name(), cacheSuffix):
			files = append(files, info)
			used += info.Size()
		case !strings.Contains(entry.Name(), cacheSuffix+".tmp-"):
		case time.Since(info.ModTime()) < leftover || !d.remove(filepath.Join(d.dir, info.Name())):
			used += info.Size()
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for _, info := range files {
		if used <= d.most-d.most/16 {
			return
		}
		if d.remove(filepath.Join(d.dir, info.Name())) {
			used -= info.Size()
		}
	}
}

// remove removes a file, or finds that another process did. One that cannot be
// removed is old or damaged: it is noticed when it is read.
func (d *directoryCache) remove(path string) bool {
	err := os.Remove(path)
	return err == nil || errors.Is(err, fs.ErrNotExist)
}
