package slapgrid

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
	"github.com/slapos/slapos-go/slapgrid/internal/unpack"
)

// programSource is where a program release comes from.
type programSource struct {
	local  string   // path of a directory or archive
	remote *url.URL // of an archive
	sum    string   // sha256 in hexadecimal digits, or empty
}

// parseSource reads the URL of a program release.
func parseSource(releaseURL string) (programSource, error) {
	u, err := url.Parse(releaseURL)
	if err != nil {
		return programSource{}, err
	}
	var s programSource
	if u.Fragment != "" {
		sum, ok := strings.CutPrefix(u.Fragment, "sha256=")
		if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size {
			return s, fmt.Errorf("fragment %q of the URL is not sha256= and 64 hexadecimal digits", u.Fragment)
		}
		s.sum = strings.ToLower(sum)
	}
	switch u.Scheme {
	case "http", "https":
		if u.Scheme == "http" && s.sum == "" {
			return s, errors.New("an archive from http needs a fragment #sha256=..., or use https")
		}
		if !unpack.Supported(u.Path) {
			return s, errors.New("only .tar.gz, .tgz and .zip archives can be downloaded")
		}
		u.Fragment = ""
		s.remote = u
	case "file", "":
		if s.local = u.Path; u.Scheme == "" {
			s.local, _, _ = strings.Cut(releaseURL, "#")
		}
		if u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(s.local) {
			return s, errors.New("a local release needs an absolute path")
		}
	default:
		return s, fmt.Errorf("scheme %q is not supported", u.Scheme)
	}
	return s, nil
}

// fetch fills the directory of a release with its content. It starts from
// nothing each time: what an interrupted fetch left is thrown away.
func (b *programBuilder) fetch(ctx context.Context, j SoftwareJob, dir *confined.Dir, owner child.User) error {
	fail := func(err error) error { return fmt.Errorf("software release %s: %w", j.URL, err) }
	source, err := parseSource(j.URL)
	if err != nil {
		return fail(err)
	}
	if err := dir.RemoveTree(stagingName); err != nil {
		return fail(err)
	}
	if err := dir.Mkdir(stagingName, 0o700); err != nil {
		return fail(err)
	}
	content, err := b.stage(ctx, dir, source, owner)
	if err == nil {
		err = install(dir, content)
	}
	if err != nil {
		return fail(errors.Join(err, dir.RemoveTree(stagingName)))
	}
	return nil
}

// stage puts the content of a release into the staging directory and returns
// where in there. What is on the disk is read with the rights of the software
// user: whoever asks for releases must not get what is root's.
func (b *programBuilder) stage(ctx context.Context, dir *confined.Dir, source programSource, owner child.User) (string, error) {
	const archiveName, contentName = stagingName + "/archive", stagingName + "/content"
	if err := dir.Mkdir(contentName, 0o700); err != nil {
		return "", err
	}
	content, err := dir.OpenRoot(contentName)
	if err != nil {
		return "", err
	}
	defer content.Close()
	if source.local != "" {
		var info fs.FileInfo
		err := owner.OnFiles(func() (err error) {
			info, err = os.Stat(source.local)
			return err
		})
		if err != nil {
			return "", err
		}
		if info.IsDir() {
			if source.sum != "" {
				return "", errors.New("a directory has no checksum")
			}
			return contentName, unpack.CopyTree(ctx, content, source.local, owner.OnFiles)
		}
		if !unpack.Supported(source.local) {
			return "", errors.New("neither a directory nor a .tar.gz, .tgz or .zip archive")
		}
	}
	archive, err := dir.OpenFile(archiveName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer archive.Close()
	if err := b.copyArchive(ctx, archive, source, owner); err != nil {
		return "", err
	}
	name := source.local
	if source.remote != nil {
		name = source.remote.Path
	}
	top, err := unpack.Unpack(ctx, content, archive, name)
	return path.Join(contentName, top), err
}

// copyArchive copies an archive to a file of the agent's, where nobody can
// change it between its verification and its unpacking.
func (b *programBuilder) copyArchive(ctx context.Context, archive *os.File, source programSource, owner child.User) error {
	var body io.ReadCloser
	var err error
	if source.remote != nil {
		body, err = b.download(ctx, source)
	} else {
		err = owner.OnFiles(func() (err error) {
			body, err = openLocal(source.local)
			return err
		})
	}
	if err != nil {
		return err
	}
	defer body.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(archive, sum), io.LimitReader(unpack.Reader(ctx, body), unpack.MaxBytes+1))
	if err != nil {
		return err
	}
	if n > unpack.MaxBytes {
		return fmt.Errorf("archive is larger than %d bytes", int64(unpack.MaxBytes))
	}
	if got := hex.EncodeToString(sum.Sum(nil)); source.sum != "" && got != source.sum {
		return fmt.Errorf("archive has sha256 %s instead of %s", got, source.sum)
	}
	_, err = archive.Seek(0, io.SeekStart)
	return err
}

// openLocal opens an archive on the disk. A pipe of that name is not waited for.
func openLocal(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(cmp.Or(err, fmt.Errorf("%s is not a regular file", path)), f.Close())
	}
	return f, nil
}

// install makes the staged content the content of the release.
func install(dir *confined.Dir, content string) error {
	if err := dir.GiveTree(stagingName); err != nil {
		return err
	}
	if err := dir.Empty(func(name string) bool { return name == stagingName }); err != nil {
		return err
	}
	names, err := dir.Names(content)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == stagingName || name == completedFile {
			return fmt.Errorf("the release holds %s, a name of the agent", name)
		}
		if err := dir.Rename(path.Join(content, name), name); err != nil {
			return err
		}
	}
	return dir.RemoveTree(stagingName)
}
