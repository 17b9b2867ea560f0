package unpack

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxLink bounds the target of a link in a zip archive.
const maxLink = 4096

// Supported tells whether a file name is that of an archive this package
// reads: .tar.gz, .tgz or .zip.
func Supported(name string) bool {
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz") || strings.HasSuffix(name, ".zip")
}

// Unpack unpacks an archive into an empty directory. name tells the format by
// its ending. It returns the common top directory of all entries, if there is
// one: the content is then in there.
func Unpack(ctx context.Context, root *os.Root, archive *os.File, name string) (string, error) {
	w := newWriter(ctx, root)
	var err error
	if strings.HasSuffix(name, ".zip") {
		err = w.zip(archive)
	} else {
		err = w.tar(archive)
	}
	if err != nil {
		return "", err
	}
	common, err := top(root)
	if err != nil {
		return "", err
	}
	return common, w.checkLinks(common)
}

func (w *writer) tar(archive io.Reader) error {
	compressed, err := gzip.NewReader(bufio.NewReader(Reader(w.ctx, archive)))
	if err != nil {
		return err
	}
	// Headers count too: an archive of nothing but headers must end.
	r := tar.NewReader(io.LimitReader(compressed, w.maxBytes+int64(w.maxEntries)*4096+1<<16))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		e := entry{name: h.Name, mode: h.FileInfo().Mode(), target: h.Linkname, size: h.Size, body: r}
		if e.hard = h.Typeflag == tar.TypeLink; !e.hard && h.Typeflag == tar.TypeSymlink {
			e.mode = fs.ModeSymlink | e.mode.Perm()
		}
		if err := w.add(e); err != nil {
			return err
		}
	}
}

func (w *writer) zip(archive *os.File) error {
	info, err := archive.Stat()
	if err != nil {
		return err
	}
	directory := &budget{ReaderAt: archive, left: int64(w.maxEntries)*512 + 1<<20}
	r, err := zip.NewReader(directory, info.Size())
	if directory.left < 0 || err == nil && len(r.File) > w.maxEntries {
		return refused("more than %d entries", w.maxEntries)
	}
	if err != nil {
		return err
	}
	directory.unlimited = true
	for _, f := range r.File {
		if err := w.zipEntry(f); err != nil {
			return err
		}
	}
	return nil
}

// budget reads a zip archive, whose directory is held in memory as a whole:
// until unlimited is set, only so many bytes.
type budget struct {
	io.ReaderAt
	left      int64
	unlimited bool
}

func (b *budget) ReadAt(p []byte, at int64) (int, error) {
	if !b.unlimited {
		if b.left -= int64(len(p)); b.left < 0 {
			return 0, refused("too many entries")
		}
	}
	return b.ReaderAt.ReadAt(p, at)
}

func (w *writer) zipEntry(f *zip.File) error {
	body, err := f.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	e := entry{name: f.Name, mode: f.Mode(), size: int64(f.UncompressedSize64), body: body}
	if e.mode.Type() == fs.ModeSymlink {
		target, err := io.ReadAll(io.LimitReader(body, maxLink))
		if err != nil {
			return err
		}
		e.target = string(target)
	}
	return w.add(e)
}
