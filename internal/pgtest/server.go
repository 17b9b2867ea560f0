//go:build linux

package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/slapos/slapos-go/internal/testpeer"
)

// startTimeout bounds how long the server may take to start or to stop.
const startTimeout = 2 * time.Minute

// superuser is the name of the only user.
const superuser = "slapos"

// Server is a running server.
type Server struct {
	dir      string // with the socket
	programs string
	settings []string
	account  *syscall.Credential // that it runs under, nil for ours
	process  *exec.Cmd
	exited   chan struct{} // closed when the process ended
	output   bytes.Buffer
	schemas  atomic.Int64
}

// Start starts an empty server, which is stopped when the test ends. Settings are
// of the form name=value; without any, it does not wait for the disk. Where
// PostgreSQL is not installed the test is skipped, or fails with
// SLAPOS_INTEROP=required.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	s := &Server{programs: programs(tb), settings: append([]string{"fsync=off", "full_page_writes=off"}, settings...)}
	var err error
	if s.account, err = ordinaryAccount(); err != nil {
		tb.Fatal(err)
	}
	if s.dir, err = os.MkdirTemp("", "slapos-pg-"); err != nil {
		tb.Fatal(err)
	}
	release, err := testpeer.Guard(s.dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.Stop(tb)
		release()
		if err := os.RemoveAll(s.dir); err != nil {
			tb.Error(err)
		}
	})
	if s.account != nil {
		if err := os.Chown(s.dir, int(s.account.Uid), int(s.account.Gid)); err != nil {
			tb.Fatal(err)
		}
	}
	initialise := s.command("initdb", "-D", s.data(), "-U", superuser, "--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync")
	if out, err := initialise.CombinedOutput(); err != nil {
		tb.Fatalf("initdb: %v\n%s", err, out)
	}
	s.Restart(tb)
	return s
}

// programs finds the directory with the programs of the newest version.
func programs(tb testing.TB) string {
	tb.Helper()
	if os.Getenv("SLAPOS_INTEROP") == "off" {
		tb.Skip("not testing on PostgreSQL: SLAPOS_INTEROP=off")
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		tb.Fatal(err)
	}
	if len(found) > 0 {
		return filepath.Dir(slices.Max(found))
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	if os.Getenv("SLAPOS_INTEROP") == "required" {
		tb.Fatal("PostgreSQL is required (SLAPOS_INTEROP) and not installed: apt-get install postgresql")
	}
	tb.Skip("PostgreSQL is not installed: apt-get install postgresql")
	return ""
}

// ordinaryAccount is what the server runs under if we are root, which it refuses.
func ordinaryAccount() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // ours
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.programs, name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account, Setsid: true}
	return cmd
}

// Restart stops the server if it runs, as a crash does, and starts it.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop(tb)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		s.launch(tb)
		if s.answers(ctx) {
			return
		}
		if ctx.Err() != nil {
			s.Stop(tb)
			tb.Fatalf("PostgreSQL does not start:\n%s", &s.output)
		}
		// It ended: processes of a killed one may still be about to end.
		time.Sleep(100 * time.Millisecond)
	}
}

// launch starts the server's process.
func (s *Server) launch(tb testing.TB) {
	tb.Helper()
	args := []string{"-D", s.data(), "-k", s.dir, "-c", "listen_addresses="}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	s.output.Reset()
	process, exited := s.command("postgres", args...), make(chan struct{})
	process.Stdout, process.Stderr = &s.output, &s.output
	if err := process.Start(); err != nil {
		tb.Fatal(err)
	}
	s.process, s.exited = process, exited
	go func() {
		_ = process.Wait() // with an error, as told
		close(exited)
	}()
}

// answers waits until the server works or its process ended.
func (s *Server) answers(ctx context.Context) bool {
	for ctx.Err() == nil {
		if s.Do(ctx, "SELECT 1") == nil {
			return true
		}
		select {
		case <-s.exited:
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
	return false
}

// Stop stops the server, as a crash does: running transactions are lost.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.end(tb, syscall.SIGQUIT)
}

// Kill ends the server's main process without letting it do anything. The others end
// when they notice, which it waits for: they have the end of its output.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	s.end(tb, syscall.SIGKILL)
}

func (s *Server) end(tb testing.TB, how syscall.Signal) {
	tb.Helper()
	if s.process == nil {
		return
	}
	process := s.process.Process
	if err := process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		tb.Error(err)
	}
	watchdog := time.AfterFunc(startTimeout, func() { _ = process.Kill() })
	defer watchdog.Stop()
	<-s.exited
	s.process = nil
}

// Do executes statements in the database of the server.
func (s *Server) Do(ctx context.Context, statements string) error {
	c, err := pgx.Connect(ctx, s.address(nil))
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, statements)
	return errors.Join(err, c.Close(ctx))
}

// Address returns the address of a new place without tables, with parameters such
// as "application_name", "test".
func (s *Server) Address(tb testing.TB, parameters ...string) string {
	tb.Helper()
	schema := fmt.Sprint("place", s.schemas.Add(1))
	if err := s.Do(tb.Context(), "CREATE SCHEMA "+schema); err != nil {
		tb.Fatal(err)
	}
	values := url.Values{"search_path": {schema}}
	for i := 0; i+1 < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	return s.address(values)
}

// Schema is the schema that such a place is.
func Schema(address string) string {
	_, rest, _ := strings.Cut(address, "search_path=")
	schema, _, _ := strings.Cut(rest, "&")
	return schema
}

func (s *Server) address(parameters url.Values) string {
	if parameters == nil {
		parameters = url.Values{}
	}
	parameters.Set("host", s.dir)
	return "postgres://" + superuser + "@/postgres?" + parameters.Encode()
}
