package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// activate PORT PROGRAM ARGS... is a service manager: it listens on a port and
// becomes the program, which gets the socket.
func activate() error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Args[1]))
	if err != nil {
		return err
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	program, err := exec.LookPath(os.Args[2])
	if err != nil {
		return err
	}
	environ := append(os.Environ(), "LISTEN_FDS=1", fmt.Sprintf("LISTEN_PID=%d", os.Getpid()))
	if err := unix.Dup2(int(file.Fd()), 3); err != nil {
		return err
	}
	return syscall.Exec(program, os.Args[2:], environ)
}

// slowly ADDRESS FILE supplies a release, in two halves: after the first it makes
// FILE.half, and waits for FILE. It prints the status.
func slowly() error {
	conn, err := net.Dial("tcp", os.Args[1])
	if err != nil {
		return err
	}
	defer conn.Close()
	const body = "url=slow&computer_id=computer&state=available"
	if _, err = fmt.Fprintf(conn, "POST /supplySupply HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n", len(body)); err != nil {
		return err
	}
	if _, err = io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))); err != nil {
		return err
	}
	if err = os.WriteFile(os.Args[2]+".half", nil, 0o600); err != nil {
		return err
	}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(os.Args[2]); err == nil {
			break
		}
		if time.Now().After(end) {
			return errors.New("nobody wants the other half")
		}
	}
	if _, err = io.WriteString(conn, body); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	fmt.Println(strings.Join(strings.Fields(string(answer))[:2], " "))
	return err
}

// certificate FILE makes a certificate for 127.0.0.1 and its key.
func certificate(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o644))
}

// notified SOCKET FILE is where programs notify the service manager: it writes
// what they say into a file, until the end of the script.
func notified(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	ts.Check(os.Chmod(path, 0o777))
	file, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 1024)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			fmt.Fprintln(file, string(buffer[:n]))
		}
	}()
	ts.Defer(func() {
		conn.Close()
		<-ended
		file.Close()
	})
}

// transportTo trusts a certificate, if there is one, and reaches a Unix socket by
// http://unix.localhost/PATH.
func transportTo(ts *testscript.TestScript, target, trusted string) (*http.Transport, string) {
	transport := &http.Transport{DisableKeepAlives: true}
	if trusted != "" {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(ts.ReadFile(trusted)))
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	u, err := url.Parse(target)
	ts.Check(err)
	if u.Hostname() == "unix.localhost" {
		path := ts.MkAbs(strings.TrimPrefix(u.Path, "/"))
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		target = "http://unix.localhost/readyz"
	}
	return transport, target
}

// The units of systemd belong together, and start the program with options that it
// has.
func TestUnits(t *testing.T) {
	service, err := os.ReadFile(filepath.Join("systemd", "slapos-proxy.service"))
	require.NoError(t, err)
	require.FileExists(t, filepath.Join("systemd", "slapos-proxy.socket"))
	require.Contains(t, string(service), "Requires=slapos-proxy.socket\n")
	require.Contains(t, string(service), "Type=notify\n")
	_, line, found := strings.Cut(string(service), "ExecStart=/usr/local/bin/slapos ")
	require.True(t, found)
	line, _, _ = strings.Cut(line, "\n")
	code, _, stderr := runMain(t.Context(), strings.Fields(strings.ReplaceAll(line, "/etc/opt/slapos", "/nonexistent"))...)
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr, "Configuration file does not exist: /nonexistent/slapos.cfg")
}

func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := listenUnix(t.Context(), path, "0660")
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.ModeSocket|0o660, info.Mode())
	require.Equal(t, path, l.Addr().String())
	_, err = listenUnix(t.Context(), path, "")
	require.ErrorContains(t, err, "another program listens on it")

	// One that was left behind is replaced, and its late end removes nothing.
	require.NoError(t, l.(*unixListener).UnixListener.Close())
	again, err := listenUnix(t.Context(), path, "")
	require.NoError(t, err)
	require.ErrorIs(t, l.Close(), net.ErrClosed)
	info, err = os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.ModeSocket|0o600, info.Mode())
	require.NoError(t, again.Close())
	require.NoFileExists(t, path)

	require.NoError(t, os.WriteFile(path, []byte("data"), 0o600))
	_, err = listenUnix(t.Context(), path, "")
	require.ErrorContains(t, err, "something else")
	_, err = listenUnix(t.Context(), filepath.Join(t.TempDir(), "s"), "rw")
	require.ErrorContains(t, err, "socket_mode")
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left behind")
}

func TestOperationSettings(t *testing.T) {
	for _, test := range []struct {
		settings proxySettings
		failure  string
	}{
		{proxySettings{}, ""},
		{proxySettings{maxBody: "1", maxBodies: "2", shutdownTimeout: "3", shutdownDelay: "4", metricsFrom: "192.0.2.1, 2001:db8::/32\n"}, ""},
		{proxySettings{maxBody: "0"}, "max_body_size"},
		{proxySettings{maxBodies: "many"}, "max_body_memory"},
		{proxySettings{shutdownTimeout: "-1"}, "shutdown_timeout"},
		{proxySettings{shutdownDelay: "99999999999"}, "shutdown_delay"},
		{proxySettings{unlinkedHours: "2147483647"}, ""},
		{proxySettings{unlinkedHours: "0"}, "unlinked_age_hours"},
		{proxySettings{metricsFrom: "monitor.example"}, "metrics_from"},
		{proxySettings{tlsKey: "key.pem"}, "tls_certificate_file"},
	} {
		_, err := test.settings.operation(&app{})
		if test.failure == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, test.failure)
		}
	}
}
