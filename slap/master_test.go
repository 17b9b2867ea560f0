package slap

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// Identifiers in testdata/master, the answers of a real master.
const (
	masterComputer = "COMP-2847"
	masterRelease  = "https://lab.example.org/software/postgres/software.cfg"
	oldRelease     = "https://lab.example.org/old.cfg"
)

// realMaster answers as a real master does, by the last part of the path.
func realMaster(t *testing.T) http.HandlerFunc {
	const fresh = "public, max-age=1, stale-if-error=604800"
	answers := map[string]struct{ file, cache string }{
		"getFullComputerInformation":                {"getFullComputerInformation", fresh},
		"registerComputerPartition":                 {"registerComputerPartition", fresh},
		"getComputerStatus":                         {"getComputerStatus", "public, max-age=60, stale-if-error=604800"},
		"getComputerPartitionStatus":                {"getComputerPartitionStatus", "public, max-age=60, stale-if-error=604800"},
		"getSoftwareInstallationStatus":             {"getSoftwareInstallationStatus", "public, max-age=60, stale-if-error=604800"},
		"getComputerPartitionCertificate":           {"certificate", "public, max-age=0, must-revalidate"},
		"generateComputerCertificate":               {"certificate", ""},
		"getHostingSubscriptionIpList":              {"getHostingSubscriptionIpList", fresh},
		"getSoftwareReleaseListFromSoftwareProduct": {"getSoftwareReleaseListFromSoftwareProduct", ""},
		"requestComputer":                           {"requestComputer", ""},
		"requestComputerPartition":                  {"requestComputerPartition", ""},
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		name := r.URL.Path[1:]
		answer, ok := answers[name]
		if !ok {
			_, _ = io.WriteString(w, "None")
			return
		}
		if answer.cache != "" {
			w.Header().Set("Cache-Control", answer.cache)
			w.Header().Set("Vary", "REMOTE_USER")
			w.Header().Set("Last-Modified", "Thu, 26 Nov 2026 02:00:00 GMT")
		}
		if name == "requestComputerPartition" && r.PostFormValue("shared_xml") == "<marshal><bool>1</bool></marshal>" {
			answer.file += "_shared"
		}
		_, _ = io.WriteString(w, fixture(t, "master/"+answer.file+".xml"))
	}
}

func TestRealMasterComputer(t *testing.T) {
	computer := client(t, serve(t, realMaster(t))).Computer(masterComputer)
	ctx := context60(t)
	releases, err := computer.SoftwareReleases(ctx)
	require.NoError(t, err)
	require.Len(t, releases, 2)
	require.Equal(t, oldRelease, releases[0].URI())
	require.Equal(t, StateDestroyed, releases[0].State())
	require.Equal(t, masterRelease, releases[1].URI())
	require.Equal(t, StateAvailable, releases[1].State())
	require.Equal(t, masterComputer, releases[1].ComputerID())

	partitions, err := computer.Partitions(ctx)
	require.NoError(t, err)
	require.Len(t, partitions, 3)
	checkFree(t, partitions[0])
	_, err = partitions[0].InstanceGUID()
	require.ErrorIs(t, err, ErrNotReady)

	state, err := partitions[1].State()
	require.NoError(t, err)
	require.Equal(t, StateDestroyed, state, "not free: it has an instance that has to go")
	release, err := partitions[1].SoftwareRelease()
	require.NoError(t, err)
	require.Equal(t, oldRelease, release.URI())
	require.Equal(t, "#error no data found for SOFTINST-9003", partitions[1].AccessStatus())
	require.Empty(t, partitions[1].Filter())

	checkMasterInstance(t, partitions[2])
	require.Equal(t, "#access Instance correctly started", partitions[2].AccessStatus())
}

// checkMasterInstance checks all getters on the instance in slappart0.
func checkMasterInstance(t *testing.T, p *ComputerPartition) {
	t.Helper()
	state, err := p.State()
	require.NoError(t, err)
	require.Equal(t, StateStarted, state)
	kind, err := p.Type()
	require.NoError(t, err)
	require.Equal(t, "postgres", kind)
	guid, err := p.InstanceGUID()
	require.NoError(t, err)
	require.Equal(t, "SOFTINST-9001", guid)
	require.True(t, p.NeedModification())
	require.Equal(t, "database", p.Title())
	require.Equal(t, "wiki farm", p.RootTitle())
	require.Equal(t, "1795562214", p.Timestamp())
	timestamp, err := p.InstanceParameter("timestamp")
	require.NoError(t, err)
	require.Equal(t, int64(1795562214), timestamp)
	short, err := p.InstanceParameter("root_instance_short_title")
	require.NoError(t, err)
	require.Equal(t, "", short)
	require.Equal(t, Parameters{"computer_guid": masterComputer, "é": "1"}, p.Filter())
	require.Equal(t, Parameters{"url": "postgres://[fd00::2]:5432/", "empty": nil}, p.ConnectionParameters())
	checkMasterAddresses(t, p)
	require.Empty(t, cmp.Diff([]SharedInstance{{
		Reference: "SOFTINST-9002", Title: "wiki <db>", SoftwareType: "shared",
		Parameters: Parameters{
			"connection-parameter-hash": "5f1d", "database": "wiki é", "timestamp": int64(1795562300),
			"url": "postgres://wiki@[fd00::2]/wiki",
		},
	}}, p.SharedInstances()))
}

func checkMasterAddresses(t *testing.T, p *ComputerPartition) {
	t.Helper()
	require.Equal(t, []NetworkAddress{{"", "10.0.0.2"}, {"slaptap0", "fd00::2"}}, p.IPList())
	require.Equal(t, []RoutedAddress{{
		NetworkAddress{"route_slappart0", "10.42.0.7"}, "10.42.0.1", "255.255.0.0", "10.42.0.0",
	}}, p.FullIPList())
}

func TestRealMasterPartition(t *testing.T) {
	c := client(t, serve(t, realMaster(t)))
	ctx := context60(t)
	p, err := c.ComputerPartition(ctx, masterComputer, "slappart0")
	require.NoError(t, err)
	checkMasterInstance(t, p)
	require.Empty(t, p.AccessStatus(), "told in the list only")
	require.NoError(t, p.Refresh(ctx))
	checkMasterInstance(t, p)

	addresses, err := p.HostingIPAddresses(ctx)
	require.NoError(t, err)
	require.Equal(t, []NetworkAddress{{"slaptap0", "fd00::2"}, {"", "10.0.0.2"}, {"slaptap4", "fd00::9"}}, addresses)
	certificate, err := p.Certificate(ctx)
	require.NoError(t, err)
	require.Contains(t, certificate.Certificate, "\n-----BEGIN CERTIFICATE-----\n")
	require.Contains(t, certificate.Key, "-----BEGIN PRIVATE KEY-----\n")
	for name, report := range map[string]func() error{
		"started": func() error { return p.Started(ctx) }, "stopped": func() error { return p.Stopped(ctx) },
		"destroyed": func() error { return p.Destroyed(ctx) }, "bang": func() error { return p.Bang(ctx, "m") },
		"error":      func() error { return p.ReportError(ctx, "log") },
		"rename":     func() error { return p.Rename(ctx, "n") },
		"connection": func() error { return p.SetConnectionParameters(ctx, Parameters{"a": "b"}) },
		"related":    func() error { return p.SetRelatedInstances(ctx, nil) },
	} {
		require.NoError(t, report(), "%s: the body None is no value, and no error", name)
	}
}

func TestRealMasterRequest(t *testing.T) {
	c := client(t, serve(t, realMaster(t)))
	ctx := context60(t)
	p, err := c.OpenOrder().Request(ctx, Request{SoftwareRelease: masterRelease, Reference: "database"})
	require.NoError(t, err)
	id, err := p.ID()
	require.NoError(t, err)
	require.Equal(t, "slappart0", id)
	require.Equal(t, masterComputer, p.ComputerID())
	require.Equal(t, Parameters{"quota é": "1.5"}, p.InstanceParameters())
	require.Equal(t, "database", p.Title())
	require.Equal(t, "wiki farm", p.RootTitle())
	require.Equal(t, "1795562214", p.Timestamp())
	kind, err := p.Type()
	require.NoError(t, err)
	require.Equal(t, "postgres", kind)
	checkMasterAddresses(t, p)
	require.Empty(t, p.SharedInstances())
	release, err := p.SoftwareRelease()
	require.NoError(t, err)
	require.Equal(t, masterRelease, release.URI())

	p, err = p.Request(ctx, Request{SoftwareRelease: masterRelease, Reference: "wiki <db>", Shared: true, State: StateStarted})
	require.NoError(t, err)
	state, err := p.State()
	require.NoError(t, err)
	require.Equal(t, StateStopped, state, "a real master tells the state of a share")
	guid, err := p.InstanceGUID()
	require.NoError(t, err)
	require.Equal(t, "SOFTINST-9002", guid)
	require.Equal(t, "wiki <db>", p.Title())
	require.Equal(t, Parameters{"instance_guid": "SOFTINST-9001"}, p.Filter())
	require.Equal(t, Parameters{"database": "wiki é"}, p.InstanceParameters())
	require.Equal(t, "1795562300", p.Timestamp())
	require.NoError(t, p.Refresh(ctx))
	require.Equal(t, "wiki <db>", p.Title(), "what is read again is the share, not its host")
}

func TestRealMasterStatus(t *testing.T) {
	c := client(t, serve(t, realMaster(t)))
	ctx := context60(t)
	status, err := c.Computer(masterComputer).Status(ctx)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(Status{
		User: masterComputer, CreatedAt: "Thu, 26 Nov 2026 02:00:00 GMT", Since: "Wed, 25 Nov 2026 22:00:00 GMT",
		Text: "#access " + masterComputer, Fields: Parameters{
			"created_at": "Thu, 26 Nov 2026 02:00:00 GMT", "since": "Wed, 25 Nov 2026 22:00:00 GMT", "state": "",
			"text": "#access " + masterComputer, "user": masterComputer, "reference": masterComputer,
			"portal_type": "Compute Node", "no_data_since_15_minutes": int64(0), "no_data_since_5_minutes": int64(1),
		},
	}, status))
	status, err = c.PartitionReference(masterComputer, "slappart0").Status(ctx)
	require.NoError(t, err)
	require.Equal(t, StateStarted, status.State)
	require.Equal(t, "#access Instance correctly started", status.Text)
	status, err = c.SoftwareRelease(masterRelease).OnComputer(masterComputer).Status(ctx)
	require.NoError(t, err)
	require.EqualValues(t, "building", status.State)
	require.Equal(t, "#building software release "+masterRelease, status.Text)
	_, err = c.SoftwareRelease(masterRelease).Status(ctx)
	require.ErrorIs(t, err, ErrNotFound)

	none := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, fixture(t, "master/getComputerStatus_none.xml"))
	}))
	status, err = none.Computer(masterComputer).Status(ctx)
	require.NoError(t, err)
	require.Equal(t, "#error no data found for "+masterComputer, status.Text)
	require.Equal(t, "SlapOS Master", status.User)
	require.EqualValues(t, 1, status.Fields["no_data"])
}

func TestRealMasterLists(t *testing.T) {
	c := client(t, serve(t, realMaster(t)))
	ctx := context60(t)
	for name, list := range map[string]func() ([]string, error){
		"by product": func() ([]string, error) { return c.SoftwareReleasesOfProduct(ctx, "postgres") },
		"by release": func() ([]string, error) { return c.SoftwareReleasesLike(ctx, oldRelease) },
	} {
		releases, err := list()
		require.NoError(t, err, name)
		require.Equal(t, []string{masterRelease, oldRelease}, releases, name)
	}
	best, err := c.SoftwareProduct(ctx, "postgres")
	require.NoError(t, err)
	require.Equal(t, masterRelease, best)
	computer, err := c.OpenOrder().RequestComputer(ctx, "mine")
	require.NoError(t, err)
	require.Equal(t, masterComputer, computer.ID())
	certificate, err := computer.GenerateCertificate(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, certificate.Key)
	require.NoError(t, computer.RevokeCertificate(ctx))
	require.NoError(t, computer.Bang(ctx, "m"))
	require.NoError(t, computer.ReportUsage(ctx, []byte("<journal/>")))
}

// TestRealMasterRefuses gives the client the refusals of a real master, which have
// no body.
func TestRealMasterRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		call   func(context.Context, *Client) error
		kinds  []error
	}{
		{"not allocated", 408, func(ctx context.Context, c *Client) error {
			_, err := c.OpenOrder().Request(ctx, Request{SoftwareRelease: "sr", Reference: "r"})
			return err
		}, []error{ErrNotReady}},
		{"somebody else's", 401, func(ctx context.Context, c *Client) error {
			_, err := c.Computer("COMP-1").Partitions(ctx)
			return err
		}, []error{ErrAuthentication, ErrServer}},
		{"bad usage", 400, func(ctx context.Context, c *Client) error {
			return c.Computer("COMP-1").ReportUsage(ctx, []byte("<bad>"))
		}, []error{ErrServer}},
		{"a certificate is valid", 404, func(ctx context.Context, c *Client) error {
			_, err := c.Computer("COMP-1").GenerateCertificate(ctx)
			return err
		}, []error{ErrCertificate, ErrNotFound}},
		{"no certificate is valid", 404, func(ctx context.Context, c *Client) error {
			return c.Computer("COMP-1").RevokeCertificate(ctx)
		}, []error{ErrCertificate, ErrNotFound}},
		{"a free partition", 404, func(ctx context.Context, c *Client) error {
			_, err := c.PartitionReference("COMP-1", "slappart0").HostingIPAddresses(ctx)
			return err
		}, []error{ErrNotFound}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var calls atomic.Int32
			c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				if test.status == http.StatusRequestTimeout {
					w.Header().Set("Cache-Control", "private")
				}
				w.WriteHeader(test.status)
			}))
			err := test.call(context60(t), c)
			for _, kind := range test.kinds {
				require.ErrorIs(t, err, kind)
			}
			e, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			require.Equal(t, test.status, e.Status)
			require.EqualValues(t, 1, calls.Load(), "an answer like any other")
		})
	}
}

// TestWarmingMaster is the first look at a computer, for which a real master first
// prepares the answer.
func TestWarmingMaster(t *testing.T) {
	var calls atomic.Int32
	ready := realMaster(t)
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		ready(w, r)
	}))
	partitions, err := c.Computer(masterComputer).Partitions(context60(t))
	require.NoError(t, err)
	require.Len(t, partitions, 3)
	require.EqualValues(t, 3, calls.Load())
}
