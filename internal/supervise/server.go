package supervise

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slapos/slapos-go/internal/supervise/client"
	"github.com/slapos/slapos-go/internal/xmlrpc"
)

// longestSocket is how long the path of a socket may be, in bytes: the kernel's
// structure has 108, of which one ends the text.
const longestSocket = 107

// listen makes the socket of the configuration. One that nobody serves any more
// is replaced; if something answers on it, that is ErrAlreadyRunning.
func listen(ctx context.Context, cfg *config) (net.Listener, error) {
	if info, err := os.Lstat(cfg.socket); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("socket of the supervisor: %s is in the way: it is no socket", cfg.socket)
	}
	if len(cfg.socket) > longestSocket {
		return nil, fmt.Errorf("socket of the supervisor: %s has %d bytes and a socket may have %d at most: use a shorter instance root",
			cfg.socket, len(cfg.socket), longestSocket)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", cfg.socket)
	switch {
	case err == nil:
		return nil, errors.Join(fmt.Errorf("%w: something answers on %s", ErrAlreadyRunning, cfg.socket), conn.Close())
	case errors.Is(err, unix.EAGAIN):
		return nil, fmt.Errorf("%w: something too busy to answer listens on %s", ErrAlreadyRunning, cfg.socket)
	case !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.ENOENT):
		return nil, fmt.Errorf("socket of the supervisor: %w", err)
	}
	// Made under another name, so that it appears with its mode and owner.
	// That one is short, as the socket's own may be almost too long.
	temporary := filepath.Join(filepath.Dir(cfg.socket), "."+strconv.FormatInt(int64(os.Getpid()), 36))
	if err := remove(temporary); err != nil {
		return nil, err
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", temporary)
	if err != nil {
		return nil, fmt.Errorf("socket of the supervisor: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	err = os.Chmod(temporary, fs.FileMode(cfg.socketMode))
	if err == nil && cfg.socketOwner != [2]int{-1, -1} {
		err = os.Chown(temporary, cfg.socketOwner[0], cfg.socketOwner[1])
	}
	if err == nil {
		err = os.Rename(temporary, cfg.socket)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close(), remove(temporary))
	}
	return l, nil
}

// server serves the socket of a daemon.
type server struct {
	daemon   *daemon
	listener net.Listener
	http     *http.Server
}

func newServer(d *daemon, l net.Listener) *server {
	s := &server{daemon: d, listener: l}
	mux := http.NewServeMux()
	mux.Handle("/RPC2", xmlrpc.Handler(&rpc{daemon: d, methods: methods()}))
	mux.HandleFunc("GET /logtail/{name}", func(w http.ResponseWriter, r *http.Request) { s.logTail(w, r, 0) })
	mux.HandleFunc("GET /logtail/{name}/stderr", func(w http.ResponseWriter, r *http.Request) { s.logTail(w, r, 1) })
	mux.HandleFunc("GET /logtail/{name}/stdout", func(w http.ResponseWriter, r *http.Request) { s.logTail(w, r, 0) })
	mux.HandleFunc("GET /mainlogtail", func(w http.ResponseWriter, r *http.Request) { s.follow(w, r, source{path: d.cfg.logFile}) })
	s.http = &http.Server{Handler: s.authenticated(mux), ReadHeaderTimeout: 30 * time.Second}
	return s
}

// serve answers until stop.
func (s *server) serve() {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		s.daemon.log.Error("the socket is no longer served", "error", err)
	}
}

// stopTimeout is how long answers under way may take once the daemon ends.
const stopTimeout = 5 * time.Second

// stop lets answers under way finish and closes the socket.
func (s *server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close() // who follows a log never finishes
	}
	if closed := s.listener.Close(); closed != nil && !errors.Is(closed, net.ErrClosed) {
		err = errors.Join(err, closed)
	}
	return err
}

// authenticated asks for the user and password of the configuration, if any.
func (s *server) authenticated(next http.Handler) http.Handler {
	cfg := s.daemon.cfg
	if cfg.username == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if !equal(user, cfg.username) || !equal(password, cfg.password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="default"`)
			http.Error(w, "wrong user or password", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// logTail follows the output of a process.
func (s *server) logTail(w http.ResponseWriter, r *http.Request, stream int) {
	var log source
	var known bool
	s.daemon.locked(func() {
		if p := s.daemon.lookUp(r.PathValue("name")); p != nil {
			log, known = p.logSource(stream), true
		}
	})
	switch {
	case !known:
		http.Error(w, "no such process", http.StatusNotFound)
	case log.path == "":
		http.Error(w, "the process has no such log", http.StatusGone)
	default:
		s.follow(w, r, log)
	}
}

const (
	followStart = 1024                   // bytes before the end that following begins with
	followPause = 200 * time.Millisecond // between two looks at the file
)

// follow sends the end of a file and then what is appended, until the client
// goes away or the daemon ends. A file that was emptied is read from its beginning.
func (s *server) follow(w http.ResponseWriter, r *http.Request, log source) {
	f, err := openRegular(log)
	if err != nil {
		http.Error(w, "the log cannot be read", http.StatusGone)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "text/plain;charset=utf-8")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	if err := out.Flush(); err != nil {
		return
	}
	offset := int64(-followStart)
	ticker := time.NewTicker(followPause)
	defer ticker.Stop()
	for {
		if offset, err = sendFrom(w, f, offset); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		case <-s.daemon.quit:
			return
		}
	}
}

// sendFrom copies what a file holds from offset on and returns where it ends;
// a negative offset counts from the end.
func sendFrom(w io.Writer, f *os.File, offset int64) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	switch {
	case offset < 0:
		offset = max(0, size+offset)
	case offset > size:
		offset = 0
	}
	n, err := io.Copy(w, io.NewSectionReader(f, offset, size-offset))
	return offset + n, err
}

// lookUp finds a process by group:name, or by its name if the group is called
// alike. It is nil if there is none, or if all of a group is named.
func (d *daemon) lookUp(spec string) *process {
	groupName, name := splitNamespec(spec)
	if g := d.groups[groupName]; g != nil && name != "" {
		return g.find(name)
	}
	return nil
}

// logFile is the log of stdout (0) or stderr (1), empty if there is none.
func (p *process) logFile(stream int) string {
	return p.logs[stream].File
}

// logSource is logFile, to be read.
func (p *process) logSource(stream int) source {
	return source{path: p.logFile(stream), untrusted: p.untrusted()}
}

// stateOf is the answer of getState.
func stateOf(mood client.DaemonState) map[string]any {
	return map[string]any{"statecode": int(mood), "statename": mood.String()}
}
