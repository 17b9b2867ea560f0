//go:build linux

package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// childDatabase tells a copy of this program to serve a database.
const childDatabase = "SLAPOS_TEST_PROXY_DATABASE"

// childSource tells it to import another one into that instead.
const childSource = "SLAPOS_TEST_PROXY_SOURCE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childDatabase); path != "" {
		var err error
		if source := os.Getenv(childSource); source != "" {
			_, err = Import(context.Background(), source, path, ImportOptions{})
		} else {
			err = serveDatabase(path)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// serveDatabase serves until it is killed and prints its address.
func serveDatabase(path string) error {
	s, err := Open(context.Background(), path)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return s.Serve(context.Background(), l)
}

// startChild starts a process that serves a database.
func startChild(t *testing.T, path string) (process *os.Process, address string) {
	t.Helper()
	return startChildBy(t, path, exec.Command(os.Args[0]))
}

// startChildBy is startChild with a command that runs this program.
func startChildBy(t *testing.T, path string, child *exec.Cmd) (process *os.Process, address string) {
	t.Helper()
	child.Env = append(os.Environ(), childDatabase+"="+path)
	child.Stderr = os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	})
	address, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return child.Process, strings.TrimSpace(address)
}

// check opens a database that nobody serves and verifies it.
func check(t *testing.T, path string) {
	t.Helper()
	v, err := store.OpenViewer(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, v.Check(t.Context()))
	require.NoError(t, v.Close())
}

func rounds(few, soak int) int {
	if os.Getenv("SLAPOS_SOAK") == "1" {
		return soak
	}
	return few
}

// Copies of the files whose log is cut anywhere open in the state of some
// earlier moment.
func TestTruncatedLog(t *testing.T) {
	const requests = 60
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	defer s.Close()
	m := &testMaster{t: t, master: s.master}
	m.layout("computer", requests)
	for i := range requests {
		require.NoError(t, m.supply(t.Context(), Principal{}, fmt.Sprint("u", i), "computer", "available"))
		m.place(asking{title: fmt.Sprint("r", i)})
	}
	database, err := os.ReadFile(path)
	require.NoError(t, err)
	log, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)
	require.Greater(t, len(log), 100_000)

	cuts := []int{0, 1, 31, 32, len(log) - 1, len(log)}
	for range rounds(15, 2000) {
		cuts = append(cuts, rand.IntN(len(log)))
	}
	for _, cut := range cuts {
		copied := filepath.Join(t.TempDir(), "x.db")
		require.NoError(t, os.WriteFile(copied, database, 0o600))
		require.NoError(t, os.WriteFile(copied+"-wal", log[:cut], 0o600))
		s, err := Open(t.Context(), copied)
		require.NoError(t, err)
		earlier := &testMaster{t: t, master: s.master}
		done := earlier.prefix(requests)
		if cut == len(log) {
			require.Equal(t, 2*requests, done)
		}
		// It works on from there.
		earlier.layout("computer", requests+1)
		earlier.place(asking{title: "more"})
		require.NoError(t, s.Close())
		check(t, copied)
	}
}

// prefix verifies that of an alternating series of supplies and requests the
// first ones were made, and returns how many.
func (m *testMaster) prefix(n int) (done int) {
	m.t.Helper()
	err := m.store.View(m.t.Context(), func(r store.Reader) error {
		c, err := r.Computer("computer")
		if err != nil {
			return err
		}
		software, err := r.Software(c)
		if err != nil {
			return err
		}
		for i, s := range software {
			require.Equal(m.t, fmt.Sprint("u", i), s.URL)
		}
		partitions, err := r.Partitions(c)
		if err != nil {
			return err
		}
		busy := 0
		for i, p := range partitions {
			if p.Instance == nil {
				continue
			}
			require.Equal(m.t, fmt.Sprint("r", i), p.Instance.Title)
			require.Equal(m.t, busy, i)
			busy++
		}
		require.Contains(m.t, []int{0, 1}, len(software)-busy)
		done = len(software) + busy
		return nil
	})
	require.NoError(m.t, err)
	return done
}

// inMountNamespace runs the calling test again in a process that may mount, and
// tells whether this is that process.
func inMountNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv("SLAPOS_TEST_MOUNTS") == "1" {
		return true
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), "SLAPOS_TEST_MOUNTS=1")
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		child.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		child.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	out, err := child.CombinedOutput()
	if child.ProcessState == nil {
		t.Skipf("no mount namespace here: %v", err)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("no mount namespace here: %s", out)
	}
	require.NoError(t, err, "%s", out)
	return false
}

// mountSmall mounts a small file system.
func mountSmall(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Skipf("mounts are not permitted: %v", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("tmpfs is not permitted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestFullFileSystem(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	dir := mountSmall(t, "1m")
	path := filepath.Join(dir, "x.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	m := &testMaster{t: t, master: s.master, server: s}
	m.layout("computer", 2)
	m.place(asking{title: "A"})

	accepted, refused := 0, ""
	for i := range 100 {
		w := post(s, "/supplySupply", "url", fmt.Sprint(i, strings.Repeat("x", 50_000)), "computer_id", "computer", "state", "available")
		if w.Code != http.StatusOK {
			require.Equal(t, http.StatusServiceUnavailable, w.Code, w.Body)
			refused = w.Body.String()
			break
		}
		accepted++
	}
	require.Positive(t, accepted)
	require.Contains(t, refused, "full")
	require.Contains(t, refused, path)
	// Reads go on, and what was accepted is there.
	count := func(s *Server) (n int) {
		require.NoError(t, s.master.store.View(t.Context(), func(r store.Reader) error {
			c, err := r.Computer("computer")
			require.NoError(t, err)
			software, err := r.Software(c)
			n = len(software)
			return err
		}))
		return n
	}
	require.Equal(t, accepted, count(s))
	require.Equal(t, 200, get(s, "/getFullComputerInformation?computer_id=computer").Code)
	// With space again it works on without a restart.
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=8m"))
	m.place(asking{title: "B"})
	require.NoError(t, s.Close())
	check(t, path)
	s, err = Open(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, accepted, count(s))
	require.NoError(t, s.Close())
}

func TestReadOnlyFileSystem(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	dir := mountSmall(t, "4m")
	path := filepath.Join(dir, "x.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	_, err = Open(t.Context(), path)
	require.ErrorIs(t, err, ErrDatabaseUnavailable)
	require.ErrorContains(t, err, "read-only")
	require.ErrorContains(t, err, path)
	_, err = Open(t.Context(), filepath.Join(dir, "new.db"))
	require.ErrorIs(t, err, ErrDatabaseUnavailable)
	require.NoError(t, Show(t.Context(), io.Discard, path, ShowOptions{}))
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""))
	s, err = Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// A file that its user may not write is refused with a clear text.
func TestUnwritableFile(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everything")
	}
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, os.Chmod(path, 0o400))
	_, err = Open(t.Context(), path)
	require.ErrorIs(t, err, ErrDatabaseUnavailable)
	require.ErrorContains(t, err, "check its mode")
}

// What is no regular file is refused and keeps its mode: a device of the system
// must not become the master's own.
func TestSpecialFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	require.NoError(t, syscall.Mkfifo(path, 0o666))
	require.NoError(t, os.Chmod(path, 0o666))
	_, err := Open(t.Context(), path)
	require.ErrorIs(t, err, ErrForeignDatabase)
	require.ErrorContains(t, err, "not a regular file")
	require.ErrorContains(t, err, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.ModeNamedPipe|0o666, info.Mode())
	require.NoFileExists(t, path+".lock")
}
