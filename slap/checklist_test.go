package slap

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// asked is a master that answers with one status and text, and notes what it was
// asked: method, path and fields.
type asked struct {
	*Client
	status int
	text   string
	header map[string]string
	calls  []string
	auth   []string
}

func newAsked(t *testing.T, status int, text string, opts ...Option) *asked {
	a := &asked{status: status, text: text}
	a.Client = client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fields := r.URL.RawQuery
		if r.Method == http.MethodPost {
			fields += string(body)
		}
		a.calls = append(a.calls, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+fields))
		a.auth = append(a.auth, r.Header.Get("Authorization"))
		w.Header()["Content-Type"] = nil
		for name, value := range a.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.text)
	}), append([]Option{WithRetry(0)}, opts...)...)
	return a
}

const emptyList = `<marshal><list id="i2"/></marshal>`

// TestChecklist goes through what the reference tests of its own client. Where
// both generations disagree, (n) is the newer one, which this client follows.
func TestChecklist(t *testing.T) {
	ctx := context60(t)
	t.Run("slap initialisation: with a final slash, IPv6 with and without port and brackets, IPv4, host name", func(t *testing.T) {
		for given, base := range map[string]string{
			"http://some.master/": "http://some.master/", "http://fd00:1:2:3:4:5:6:7:5000": "http://[fd00:1:2:3:4:5:6:7]:5000/",
			"http://fd00::1": "http://[fd00::1]/", "http://[fd00::1]:5000": "http://[fd00::1]:5000/",
			"http://127.0.0.1:5000": "http://127.0.0.1:5000/", "https://master.example/a": "https://master.example/a/",
		} {
			c, err := New(given)
			require.NoError(t, err, given)
			require.Equal(t, base, c.URL())
		}
	})
	t.Run("registerComputer, registerSoftwareRelease, new or not: no request", func(t *testing.T) {
		a := newAsked(t, 500, "")
		require.Equal(t, "COMP-1", a.Computer("COMP-1").ID())
		require.Equal(t, "http://sr/", a.Client.SoftwareRelease("http://sr/").URI())
		require.NotNil(t, a.OpenOrder())
		require.NotNil(t, a.Supply())
		require.Empty(t, a.calls)
	})
	t.Run("registerComputerPartition of a known partition sends exactly its two fields", func(t *testing.T) {
		a := newAsked(t, 200, fixture(t, "master/registerComputerPartition.xml"))
		p, err := a.ComputerPartition(ctx, masterComputer, "slappart0")
		require.NoError(t, err)
		checkMasterInstance(t, p)
		require.Equal(t, []string{
			"GET /registerComputerPartition computer_reference=COMP-2847&computer_partition_reference=slappart0",
		}, a.calls)
	})
	t.Run("registerComputerPartition of an unknown computer is not found", func(t *testing.T) {
		_, err := newAsked(t, 404, "").ComputerPartition(ctx, "COMP-X", "p")
		require.ErrorIs(t, err, ErrNotFound)
	})
	t.Run("(n) registerComputerPartition lazily: no request, and not found when it is fetched", func(t *testing.T) {
		a := newAsked(t, 404, "")
		p := a.PartitionReference("COMP-X", "p")
		require.Empty(t, a.calls)
		require.ErrorIs(t, p.Refresh(ctx), ErrNotFound)
	})
	t.Run("getFullComputerInformation and registerComputerPartition of nothing: not found without a request", func(t *testing.T) {
		a := newAsked(t, 200, "")
		require.ErrorIs(t, a.Computer("").Refresh(ctx), ErrNotFound)
		for _, ids := range [][2]string{{"", "p"}, {"c", ""}, {"", ""}} {
			_, err := a.ComputerPartition(ctx, ids[0], ids[1])
			require.ErrorIs(t, err, ErrNotFound)
		}
		require.Empty(t, a.calls)
	})
	t.Run("getSoftwareReleaseListFromSoftwareProduct by reference and by URL; neither", func(t *testing.T) {
		a := newAsked(t, 200, emptyList)
		_, err := a.SoftwareReleasesOfProduct(ctx, "kvm")
		require.NoError(t, err)
		_, err = a.SoftwareReleasesLike(ctx, "http://sr/")
		require.NoError(t, err)
		_, err = a.SoftwareReleasesOfProduct(ctx, "")
		require.ErrorIs(t, err, ErrNotFound)
		require.Equal(t, []string{
			"GET /getSoftwareReleaseListFromSoftwareProduct software_product_reference=kvm",
			"GET /getSoftwareReleaseListFromSoftwareProduct software_release_url=http%3A%2F%2Fsr%2F",
		}, a.calls)
	})
	t.Run("initializeConnection: getHateoasUrl is asked, not asked if it is given, missing", func(t *testing.T) {
		a := newAsked(t, 200, "http://hateoas.example/")
		where, err := a.HateoasURL(ctx)
		require.NoError(t, err)
		require.Equal(t, "http://hateoas.example/", where)
		require.Equal(t, []string{"GET /getHateoasUrl"}, a.calls)

		a = newAsked(t, 200, "", WithHateoasURL("http://given.example/"))
		where, err = a.HateoasURL(ctx)
		require.NoError(t, err)
		require.Equal(t, "http://given.example/", where)
		require.Empty(t, a.calls)

		_, err = newAsked(t, 404, "").HateoasURL(ctx)
		require.ErrorIs(t, err, ErrNotFound)
	})
	t.Run("getComputerPartitionList empty, and without a list of software releases", func(t *testing.T) {
		for _, text := range []string{emptyComputer, strings.Replace(emptyComputer, `<string>_software_release_list</string><list id="i5"/>`, "", 1)} {
			computer := newAsked(t, 200, text).Computer("COMP-1")
			partitions, err := computer.Partitions(ctx)
			require.NoError(t, err)
			require.Empty(t, partitions)
			releases, err := computer.SoftwareReleases(ctx)
			require.NoError(t, err)
			require.Empty(t, releases)
		}
	})
	t.Run("ComputerPartition.request: sent, not ready, and with an identifier once it is", func(t *testing.T) {
		a := newAsked(t, 408, "")
		p := a.PartitionReference("C", "P")
		_, err := p.Request(ctx, justRequest)
		require.ErrorIs(t, err, ErrNotReady)
		a.status, a.text = 200, instance(map[string]any{"slap_computer_id": "C", "slap_computer_partition_id": "P2"})
		found, err := p.Request(ctx, justRequest)
		require.NoError(t, err)
		id, err := found.ID()
		require.NoError(t, err)
		require.Equal(t, "P2", id)
		require.Equal(t, a.calls[0], a.calls[1])
		require.True(t, strings.HasPrefix(a.calls[0],
			"POST /requestComputerPartition computer_id=C&computer_partition_id=P&software_release=sr&software_type=default&partition_reference=ref&shared_xml="))
	})
	t.Run("request transaction file: created empty, a line for each request, also a failing one, not overwritten", func(t *testing.T) {
		all := map[string]probe{}
		journalProbes(all)
		value, err := all["request transaction file"].run(newRig(t, says(500, "")))
		require.NoError(t, err)
		require.Equal(t, "one\ntwo\none\n", value.([]any)[7])
	})
	t.Run("started and stopped on a partition that the server does not know", func(t *testing.T) {
		p := newAsked(t, 404, "").PartitionReference("C", "P")
		require.ErrorIs(t, p.Started(ctx), ErrNotFound)
		require.ErrorIs(t, p.Stopped(ctx), ErrNotFound)
	})
	t.Run("error on a new partition; with the reference of a share; empty", func(t *testing.T) {
		a := newAsked(t, 200, "")
		p := a.PartitionReference("C", "P")
		require.NoError(t, p.ReportError(ctx, "some error"))
		require.NoError(t, p.ReportSharedError(ctx, "S", "some error"))
		require.NoError(t, p.ReportError(ctx, ""))
		require.Equal(t, []string{
			"POST /softwareInstanceError computer_id=C&computer_partition_id=P&error_log=some+error",
			"POST /softwareInstanceError computer_id=C&computer_partition_id=P&error_log=some+error&slave_reference=S",
			"POST /softwareInstanceError computer_id=C&computer_partition_id=P&error_log=",
		}, a.calls)
	})
	t.Run("(n) getInstanceParameterDict from an indented answer without Content-Type, with and without caching headers", func(t *testing.T) {
		a := newAsked(t, 200, fixture(t, "master/registerComputerPartition.xml"))
		for _, cache := range []string{"", "public, max-age=1, stale-if-error=604800"} {
			a.header = map[string]string{"Cache-Control": cache, "Etag": `"x"`}
			p := a.PartitionReference(masterComputer, "slappart0")
			require.NoError(t, p.Refresh(ctx))
			quota, _ := p.InstanceParameters().String("quota é")
			require.Equal(t, "1.5", quota)
		}
		require.Len(t, a.calls, 2)
	})
	t.Run("(n) setConnectionDict is always posted, and keeps empty and null values; for a share too", func(t *testing.T) {
		a := newAsked(t, 200, "done")
		p := a.PartitionReference("C", "P")
		for range 2 {
			require.NoError(t, p.SetConnectionParameters(ctx, Parameters{"b": "", "c": nil}))
		}
		require.NoError(t, p.SetSharedConnectionParameters(ctx, "S", nil))
		own := "POST /setComputerPartitionConnectionXml computer_id=C&computer_partition_id=P&connection_xml=" +
			"%3Cmarshal%3E%3Cdictionary+id%3D%22i2%22%3E%3Cstring%3Eb%3C%2Fstring%3E%3Cstring%3E%3C%2Fstring%3E" +
			"%3Cstring%3Ec%3C%2Fstring%3E%3Cnone%2F%3E%3C%2Fdictionary%3E%3C%2Fmarshal%3E&slave_reference=None"
		require.Equal(t, []string{own, own,
			"POST /setComputerPartitionConnectionXml computer_id=C&computer_partition_id=P&connection_xml=" +
				"%3Cmarshal%3E%3Cdictionary+id%3D%22i2%22%2F%3E%3C%2Fmarshal%3E&slave_reference=S"}, a.calls)
	})
	t.Run("(n) what is posted for a partition carries an authorization, and what is read does not", func(t *testing.T) {
		a := newAsked(t, 200, "")
		p := a.PartitionReference("C", "P")
		posts := []func() error{
			func() error { return p.Started(ctx) }, func() error { return p.Stopped(ctx) }, func() error { return p.Destroyed(ctx) },
			func() error { return p.ReportError(ctx, "e") }, func() error { return p.Bang(ctx, "m") },
			func() error { return p.Rename(ctx, "n") }, func() error { return p.SetConnectionParameters(ctx, nil) },
			func() error { return p.SetRelatedInstances(ctx, nil) },
		}
		for i, post := range posts {
			require.NoError(t, post())
			require.Equal(t, "X-SlapPartition computer_id=C, computer_partition_id=P", a.auth[i])
		}
		_, err := p.Request(ctx, justRequest)
		require.Error(t, err, "there is no answer")
		require.NotEmpty(t, a.auth[len(posts)])
		_, err = p.Certificate(ctx)
		require.Error(t, err)
		_, err = a.OpenOrder().Request(ctx, justRequest)
		require.Error(t, err)
		require.NoError(t, a.Computer("C").Bang(ctx, "m"))
		require.Equal(t, []string{"", "", ""}, a.auth[len(posts)+1:])
	})
	t.Run("available and building without a computer; error posts URL, computer and log", func(t *testing.T) {
		a := newAsked(t, 200, "")
		r := a.Client.SoftwareRelease("http://sr/")
		require.ErrorIs(t, r.Available(ctx), ErrNotFound)
		require.ErrorIs(t, r.Building(ctx), ErrNotFound)
		require.Empty(t, a.calls)
		require.NoError(t, r.OnComputer("C").ReportError(ctx, "log"))
		require.Equal(t, []string{"POST /softwareReleaseError url=http%3A%2F%2Fsr%2F&computer_id=C&error_log=log"}, a.calls)
	})
	t.Run("OpenOrder.request: not ready, an identifier, connection parameters from either form", func(t *testing.T) {
		place := func(more map[string]any) string {
			more["slap_computer_id"], more["slap_computer_partition_id"] = "C", "P"
			return instance(more)
		}
		_, err := newAsked(t, 408, "").OpenOrder().Request(ctx, justRequest)
		require.ErrorIs(t, err, ErrNotReady)
		for _, text := range []string{
			place(map[string]any{"_connection_dict": map[string]any{"url": "U"}}),
			place(map[string]any{"connection_xml": `<instance><parameter id="url">U</parameter></instance>`}),
		} {
			p, err := newAsked(t, 200, text).OpenOrder().Request(ctx, justRequest)
			require.NoError(t, err)
			url, err := p.ConnectionParameter("url")
			require.NoError(t, err)
			require.Equal(t, "U", url)
		}
	})
	t.Run("OpenOrder.getInformation: fields, _ decoded, state, connection list, URL", func(t *testing.T) {
		hateoasSteps["getInformation"](ctx, t, client(t, replay(t, "client-"+newGeneration).url))
	})
	t.Run("SoftwareProductCollection: the first of the list, and none", func(t *testing.T) {
		release, err := newAsked(t, 200, fixture(t, "master/getSoftwareReleaseListFromSoftwareProduct.xml")).SoftwareProduct(ctx, "kvm")
		require.NoError(t, err)
		require.Equal(t, masterRelease, release)
		_, err = newAsked(t, 200, emptyList).SoftwareProduct(ctx, "kvm")
		require.ErrorIs(t, err, ErrNotFound)
	})
	for _, status := range []int{500, 501, 502, 503, 520, 523, 524, 526} {
		t.Run(fmt.Sprintf("(n) %d is a server error", status), func(t *testing.T) {
			_, err := newAsked(t, status, "").Computer("C").Status(ctx)
			require.ErrorIs(t, err, ErrServer)
		})
	}
}
