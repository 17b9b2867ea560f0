package slap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/slapos/slapos-go/slap"
)

// busyMaster starts a master that answers once, as one of ERP5 does, and then
// fails.
func busyMaster() *httptest.Server {
	answers := 0
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if answers++; answers > 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=1, stale-if-error=604800")
		_, _ = io.WriteString(w, `<marshal><list><string>https://example.org/kvm/software-2.cfg</string></list></marshal>`)
	}))
}

// A program goes on with the last answer while the master cannot answer.
func ExampleWithCache() {
	server := busyMaster()
	defer server.Close()
	client, err := slap.New(server.URL, slap.WithCache(slap.NewMemoryCache(16<<20)), slap.WithRetry(0))
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	for range 3 {
		release, err := client.SoftwareProduct(context.Background(), "kvm")
		fmt.Println(release, err)
	}
	// Output:
	// https://example.org/kvm/software-2.cfg <nil>
	// https://example.org/kvm/software-2.cfg <nil>
	// https://example.org/kvm/software-2.cfg <nil>
}

// The answers in a directory are there for the next run of a program, even if
// the master is away by then.
func ExampleNewDirectoryCache() {
	home, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(home)
	server := busyMaster()

	run := func() {
		cache, err := slap.NewDirectoryCache(filepath.Join(home, "answers"), 64<<20)
		if err != nil {
			log.Fatal(err)
		}
		client, err := slap.New(server.URL, slap.WithCache(cache), slap.WithRetry(0))
		if err != nil {
			log.Fatal(err)
		}
		defer client.CloseIdleConnections()
		fmt.Println(client.SoftwareProduct(context.Background(), "kvm"))
	}
	run()
	server.Close()
	run()
	// Output:
	// https://example.org/kvm/software-2.cfg <nil>
	// https://example.org/kvm/software-2.cfg <nil>
}

// printer is an observer that prints what a program would count, and sends the
// identifier of a trace along.
type printer struct{}

func (printer) Before(ctx context.Context, _ slap.Call, header http.Header) context.Context {
	header.Set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	return ctx
}

func (printer) After(_ context.Context, call slap.Call, result slap.Result) {
	fmt.Printf("%s: %s, attempt %d, status %d, %d bytes sent, from the cache: %v\n",
		call.Op, call.Method, call.Attempt, result.Status, result.BytesSent, result.Cached)
}

func ExampleWithObserver() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("traceparent is", r.Header.Get("traceparent"))
	}))
	defer server.Close()
	client, err := slap.New(server.URL, slap.WithObserver(printer{}))
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	if err := client.Computer("COMP-7").Bang(context.Background(), "look again"); err != nil {
		log.Fatal(err)
	}
	// Output:
	// traceparent is 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
	// computer bang: POST, attempt 1, status 200, 37 bytes sent, from the cache: false
}

// A computer talks to its master with a certificate, which may be renewed while
// the program runs, and verifies the master against an authority of its own.
func ExampleWithKeyPair() {
	client, err := slap.New("https://slap.example.org/",
		slap.WithKeyPair("/etc/opt/slapos/ssl/computer.crt", "/etc/opt/slapos/ssl/computer.key"),
		slap.WithCAFile("/etc/opt/slapos/ssl/ca.crt"),
		slap.WithTimeout(30*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	// New reads no files; the first call does.
	err = client.Computer("COMP-7").Bang(context.Background(), "look again")
	fmt.Println(errors.Is(err, slap.ErrAuthentication), errors.Is(err, os.ErrNotExist))
	// Output:
	// true true
}

// A certificate that does not come from files is checked at once.
func ExampleWithKeyPairPEM() {
	_, err := slap.New("https://slap.example.org/", slap.WithKeyPairPEM([]byte("no certificate"), []byte("no key")))
	fmt.Println(err)
	// Output:
	// slap client of https://slap.example.org/: client certificate: tls: failed to find any PEM data in certificate input
}

func ExampleWithCAPEM() {
	_, err := slap.New("https://slap.example.org/", slap.WithCAPEM([]byte("-----BEGIN CERTIFICATE-----\nMIIB")))
	fmt.Println(err)
	// Output:
	// slap client of https://slap.example.org/: authorities of the master's certificate: a PEM block in it is incomplete
}

func ExampleWithProxy() {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("the proxy is asked for", r.URL)
		_, _ = io.WriteString(w, `<marshal><list/></marshal>`)
	}))
	defer proxy.Close()
	address, err := url.Parse(proxy.URL)
	if err != nil {
		log.Fatal(err)
	}
	client, err := slap.New("http://master.example.org", slap.WithProxy(http.ProxyURL(address)))
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	fmt.Println(client.SoftwareReleasesOfProduct(context.Background(), "kvm"))
	// Output:
	// the proxy is asked for http://master.example.org/getSoftwareReleaseListFromSoftwareProduct?software_product_reference=kvm
	// [] <nil>
}

func ExampleWithMaxBody() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 2000))
	}))
	defer server.Close()
	client, err := slap.New(server.URL, slap.WithMaxBody(1000))
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	_, err = client.SoftwareReleasesOfProduct(context.Background(), "kvm")
	var failure *slap.Error
	fmt.Println(errors.Is(err, slap.ErrServer), errors.As(err, &failure) && failure.Err != nil)
	fmt.Println(failure.Err)
	// Output:
	// true true
	// larger than 1000 bytes
}
