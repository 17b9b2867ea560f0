package slap

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// always is a transport that answers every request with the same text.
type always string

func (text always) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(text))), ContentLength: int64(len(text)), Request: r,
	}, nil
}

// FuzzAnswers gives any answer to every call that reads one, and uses all that comes
// out.
func FuzzAnswers(f *testing.F) {
	files, err := filepath.Glob("testdata/master/*.xml")
	require.NoError(f, err)
	for _, name := range append(files, "testdata/computer.xml", "testdata/partition.xml") {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		ctx := t.Context()
		c, err := New("http://master.example/", WithTransport(always(text)), WithRetry(0))
		require.NoError(t, err)
		computer := c.Computer("c")
		partitions, _ := computer.Partitions(ctx)
		if p, err := c.ComputerPartition(ctx, "c", "p"); err == nil {
			partitions = append(partitions, p)
		}
		for _, shared := range []bool{false, true} {
			if p, err := c.OpenOrder().Request(ctx, Request{SoftwareRelease: "sr", Reference: "r", Shared: shared}); err == nil {
				partitions = append(partitions, p)
			}
		}
		for _, p := range partitions {
			_, _ = p.Type()
			_, _ = p.Title(), p.Timestamp()
			_, _ = p.IPList(), p.FullIPList()
			p.SharedInstances()
			for _, parameters := range []Parameters{p.InstanceParameters(), p.ConnectionParameters(), p.Filter()} {
				for _, key := range parameters.Keys() {
					_, _ = parameters.String(key)
				}
			}
		}
		_, _ = computer.Status(ctx)
		_, _ = computer.GenerateCertificate(ctx)
		_, _ = c.PartitionReference("c", "p").HostingIPAddresses(ctx)
		_, _ = c.SoftwareReleasesOfProduct(ctx, "p")
		_, _ = c.OpenOrder().RequestComputer(ctx, "t")
	})
}

// FuzzDocuments gives any rows and any document of a HATEOAS interface to all that
// reads them.
func FuzzDocuments(f *testing.F) {
	for _, e := range readHateoas(f) {
		if json.Valid([]byte(e.Answer)) {
			f.Add(e.Answer)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		ctx := t.Context()
		c, err := New("http://master.example/", WithTransport(always(text)), WithRetry(0), WithHateoasURL("hateoas"))
		require.NoError(t, err)
		root := &hateoasRoot{where: c.base}
		root.Links.Search.Href, root.Links.Traverse.Href, root.Links.Me.Href = "?search{&query}", "?traverse", "urn:jio:get:me"
		c.root = root
		_, _ = c.Computers(ctx)
		_, _ = c.OpenOrders(ctx)
		_, _ = c.TreeInstances(ctx, "t")
		_, _ = c.SoftwareInstallations(ctx, "c")
		if fields, err := c.Me(ctx); err == nil {
			if i, err := readTree("t", fields); err == nil {
				i.News()
			}
		}
		_, _ = c.Computer("COMP-1").News(ctx)
		c.root = nil
		_, _ = c.Token(ctx)
	})
}
