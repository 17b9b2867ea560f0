package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slapos/slapos-go/slap"
)

// deployWeb writes a web server's pages, service, promise and usage report,
// and publishes its address, and a page's address for each shared instance.
func deployWeb(ctx context.Context, self *slap.ComputerPartition, p *partition) error {
	addresses := self.IPList()
	if len(addresses) == 0 {
		return errors.New("the partition has no address: format the node with at least one")
	}
	address, err := p.listenAddress(addresses[0].Address)
	if err != nil {
		return err
	}
	base := "http://" + address + "/"
	greeting, _ := self.InstanceParameters().String("greeting")
	if err := p.writeFile("www/index.html", "<h1>"+html.EscapeString(greeting)+"</h1>\n", 0o640); err != nil {
		return err
	}
	for _, shared := range self.SharedInstances() {
		name := strings.ReplaceAll(shared.Reference, "/", "_") + ".html"
		text, _ := shared.Parameters.String("text")
		if err := p.writeFile("www/"+name, "<p>"+html.EscapeString(text)+"</p>\n", 0o640); err != nil {
			return err
		}
		if err := self.SetSharedConnectionParameters(ctx, shared.Reference, slap.Parameters{"url": base + url.PathEscape(name)}); err != nil {
			return err
		}
	}

	www := filepath.Join(p.dir, "www")
	for name, words := range map[string][]string{
		"etc/service/web":       {p.program, "serve", www, address},
		"etc/promise/web":       {p.program, "check", base},
		"etc/report/page-count": {p.program, "usage", www},
	} {
		command := "exec"
		for _, word := range words {
			command += " " + quote(word)
		}
		if err := p.writeScript(name, command+` "$@"`); err != nil {
			return err
		}
	}
	return self.SetConnectionParameters(ctx, slap.Parameters{"url": base})
}

// listenAddress chooses a free port once and keeps it.
func (p *partition) listenAddress(host string) (string, error) {
	kept, err := os.ReadFile(filepath.Join(p.dir, "etc/address"))
	if err == nil {
		return string(kept), nil
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return "", err
	}
	return address, p.writeFile("etc/address", address, 0o640)
}

// serve serves the pages of a directory until the context ends, and writes
// down each request beside it.
func serve(ctx context.Context, dir, address string) error {
	journal, err := os.OpenFile(dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer journal.Close()
	pages := http.FileServer(http.Dir(dir))
	server := &http.Server{
		Addr:              address,
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := fmt.Fprintf(journal, "%s %q\n", r.Method, r.URL.Path); err != nil {
				http.Error(w, "cannot count this request", http.StatusInternalServerError)
				return
			}
			pages.ServeHTTP(w, r)
		}),
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// check succeeds if an address answers within ten seconds: a service that has
// just been started may need a moment.
func check(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := get(ctx, address)
		if err == nil {
			fmt.Println(address, "answers")
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, answer.Status)
	}
	return nil
}

// usage writes a consumption report with the number of requests so far.
func usage(dir, file string) error {
	journal, err := os.ReadFile(dir + ".log")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	report := fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?>
<consumption>
  <movement>
    <resource>service_module/web_request</resource>
    <title>Pages served</title>
    <quantity>%d</quantity>
    <price>0.0</price>
    <VAT>None</VAT>
    <category>None</category>
  </movement>
</consumption>
`, strings.Count(string(journal), "\n"))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(report), 0o640)
}
