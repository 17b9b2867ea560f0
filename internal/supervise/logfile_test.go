package supervise

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// TestRotateLog: whoever holds the file open for appending goes on in it.
func TestRotateLog(t *testing.T) {
	c := logConfig{File: filepath.Join(t.TempDir(), "log"), MaxBytes: 10, Backups: 2}
	rotated, err := rotateLog(c)
	require.NoError(t, err)
	require.False(t, rotated, "no file")
	f, err := openLog(c.File, true)
	require.NoError(t, err)
	defer f.Close()
	write := func(text string) {
		_, err := f.WriteString(text)
		require.NoError(t, err)
	}
	write("short")
	rotated, err = rotateLog(c)
	require.NoError(t, err)
	require.False(t, rotated)
	for _, text := range []string{"-first-", "second-abc", "third-abcd"} {
		write(text)
		rotated, err = rotateLog(c)
		require.NoError(t, err)
		require.True(t, rotated)
	}
	write("now")
	require.Equal(t, "now", content(t, c.File))
	require.Equal(t, "third-abcd", content(t, c.File+".1"))
	require.Equal(t, "second-abc", content(t, c.File+".2"))
	require.NoFileExists(t, c.File+".3")

	write(strings.Repeat("x", 1000) + "0123456789")
	_, err = rotateLog(c)
	require.NoError(t, err)
	require.Equal(t, "0123456789", content(t, c.File+".1"), "a copy is bounded too")

	c.Backups = 0
	write("0123456789")
	_, err = rotateLog(c)
	require.NoError(t, err)
	require.Empty(t, content(t, c.File))
	require.Equal(t, "0123456789", content(t, c.File+".1"))
}

// TestHostileLogs: the owner of a partition cannot lead the daemon elsewhere.
func TestHostileLogs(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	require.NoError(t, os.WriteFile(victim, []byte("0123456789"), 0o600))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(victim, link))
	_, err := openLog(link, true)
	require.ErrorIs(t, err, unix.ELOOP)
	rotated, err := rotateLog(logConfig{File: link, MaxBytes: 1, Backups: 1})
	require.NoError(t, err)
	require.False(t, rotated)
	require.Error(t, clearLog(link))
	require.Equal(t, "0123456789", content(t, victim))

	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	done := make(chan error, 1)
	go func() {
		_, err := openLog(fifo, true)
		_, readErr := readLog(source{path: fifo}, 0, 0)
		if err == nil || readErr == nil {
			err = nil
		}
		done <- err
	}()
	select {
	case err := <-done:
		require.Error(t, err)
	case <-time.After(time.Minute):
		t.Fatal("waits for ever at a FIFO")
	}

	// A planted .1 is replaced, not followed.
	log := filepath.Join(dir, "log")
	require.NoError(t, os.WriteFile(log, []byte("longer than that"), 0o600))
	require.NoError(t, os.Symlink(victim, log+".1"))
	_, err = rotateLog(logConfig{File: log, MaxBytes: 1 << 3, Backups: 1})
	require.NoError(t, err)
	require.Equal(t, "0123456789", content(t, victim))
}

func TestReadLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte("0123456789"), 0o600))
	tests := []struct {
		offset, length int64
		want           string
		err            error
	}{
		{0, 0, "0123456789", nil}, {3, 0, "3456789", nil}, {3, 4, "3456", nil}, {8, 100, "89", nil}, {50, 0, "", nil},
		{-3, 0, "789", nil}, {-100, 0, "0123456789", nil}, {-3, 1, "", errBadArguments}, {0, -1, "", errBadArguments},
	}
	for _, test := range tests {
		got, err := readLog(source{path: path}, test.offset, test.length)
		require.ErrorIs(t, err, test.err)
		require.Equal(t, test.want, got, "%+v", test)
	}
	_, err := readLog(source{path: path + ".none"}, 0, 0)
	require.ErrorIs(t, err, errReadFailed)
}

func TestTailLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte("0123456789"), 0o600))
	tests := []struct {
		offset, length int64
		want           string
		overflow       bool
	}{
		{0, 4, "6789", true}, {0, 100, "0123456789", false}, {10, 4, "", false}, {7, 3, "789", false}, {0, 0, "", true}, {0, -5, "", true},
	}
	for _, test := range tests {
		text, size, overflow := tailLog(source{path: path}, test.offset, test.length)
		require.EqualValues(t, 10, size)
		require.Equal(t, test.want, text, "%+v", test)
		require.Equal(t, test.overflow, overflow, "%+v", test)
	}
	text, size, overflow := tailLog(source{path: path + ".none"}, 3, 4)
	require.Equal(t, "", text)
	require.EqualValues(t, 3, size)
	require.False(t, overflow)
}

func TestMainLog(t *testing.T) {
	c := logConfig{File: filepath.Join(t.TempDir(), "main.log"), MaxBytes: 200, Backups: 1}
	l, err := openMainLog(c, 0)
	require.NoError(t, err)
	for range 10 {
		require.NoError(t, l.write(strings.Repeat("x", 49)+"\n"))
	}
	info, err := os.Stat(c.File)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(200))
	require.FileExists(t, c.File+".1")
	require.NoError(t, l.clear())
	require.Empty(t, content(t, c.File))
	require.NoError(t, l.close())
	require.NoError(t, l.close())
	require.NoError(t, l.write("dropped"))
}
