package slap

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

// mount is where the masters of tests have their root: a path that is not
// empty, so that a call to an address of the host's root is noticed.
const mount = "/some/master"

// serve starts a master for a test and returns its URL.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.StripPrefix(mount, handler))
	t.Cleanup(server.Close)
	return server.URL + mount
}

// client returns a client of a master for a test.
func client(t testing.TB, masterURL string, opts ...Option) *Client {
	t.Helper()
	c, err := New(masterURL, opts...)
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// context60 returns a context that ends in time for the test to say why.
func context60(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// exchange is a request of the reference's client, release 1.26.1, and the
// answer of its stand-alone master, release 1.26.1 or 1.6.10.
type exchange struct {
	Server        string `json:"server"`
	Call          string `json:"call"`
	Method        string `json:"method"`
	Path          string `json:"path"`
	Query         string `json:"query"`
	Authorization string `json:"authorization"`
	Body          string `json:"body"`
	Status        int    `json:"status"`
	ContentType   string `json:"content_type"`
	Answer        string `json:"answer"`
}

func readExchanges(t testing.TB) []exchange {
	t.Helper()
	file, err := os.Open("testdata/exchanges.jsonl")
	require.NoError(t, err)
	defer file.Close()
	var all []exchange
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e exchange
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		all = append(all, e)
	}
	require.Greater(t, len(all), 150)
	return all
}

// TestSendsWhatTheReferenceSends repeats the recorded calls of the reference's
// client and compares every request byte by byte.
func TestSendsWhatTheReferenceSends(t *testing.T) {
	for i, e := range readExchanges(t) {
		t.Run(fmt.Sprintf("%03d/%s", i, strings.Trim(e.Path, "/")), func(t *testing.T) {
			var got []exchange
			master := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				got = append(got, exchange{
					Server: e.Server, Call: e.Call, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
					Authorization: r.Header.Get("Authorization"), Body: string(body),
					Status: e.Status, ContentType: e.ContentType, Answer: e.Answer,
				})
				w.Header().Set("Content-Type", e.ContentType)
				w.WriteHeader(e.Status)
				_, _ = io.WriteString(w, e.Answer)
			})
			err := repeat(context60(t), t, client(t, master), e)
			require.NotEmpty(t, got, "%v", err)
			want := e
			if e.Path == "/getComputerInformation" {
				require.Equal(t, "/getFullComputerInformation", got[0].Path)
				return
			}
			require.Equal(t, want, got[0])
			checkOutcome(t, e, err)
		})
	}
}

// checkOutcome compares the kind of the error with the status of the answer.
func checkOutcome(t *testing.T, e exchange, err error) {
	switch {
	case e.Status == 404:
		require.ErrorIs(t, err, ErrNotFound)
	case e.Status == 408, e.Status == 200 && strings.Contains(e.Answer, "<tuple><none/><none/></tuple>"):
		require.ErrorIs(t, err, ErrNotReady)
		pending, ok := errors.AsType[*NotReadyError](err)
		require.True(t, ok)
		require.Equal(t, "fwd5", pending.Request.Reference)
	case e.Status >= 400:
		requireServerError(t, e.Status, err)
	default:
		require.NoError(t, err)
	}
}

func requireServerError(t *testing.T, status int, err error) {
	t.Helper()
	require.ErrorIs(t, err, ErrServer)
	failure, ok := errors.AsType[*Error](err)
	require.True(t, ok)
	require.Equal(t, status, failure.Status)
}

// repeat performs, through the public methods, the call of an exchange.
func repeat(ctx context.Context, t *testing.T, c *Client, e exchange) error {
	fields, err := url.ParseQuery(e.Query + e.Body)
	require.NoError(t, err)
	get := fields.Get
	computer := c.Computer(get("computer_id"))
	partition := c.PartitionReference(get("computer_id"), get("computer_partition_id"))
	release := c.SoftwareRelease(get("url")).OnComputer(get("computer_id"))
	switch strings.Trim(e.Path, "/") {
	case "getFullComputerInformation", "getComputerInformation":
		return computer.Refresh(ctx)
	case "registerComputerPartition":
		_, err = c.ComputerPartition(ctx, get("computer_reference"), get("computer_partition_reference"))
	case "requestComputerPartition":
		err = repeatRequest(ctx, t, c, fields)
	case "loadComputerConfigurationFromXML":
		err = computer.UpdateConfiguration(ctx, []byte(get("xml")))
	case "supplySupply":
		guid := get("computer_id")
		if guid == pyNone {
			guid = ""
		}
		err = c.Supply().Supply(ctx, get("url"), guid, State(get("state")))
	case "buildingSoftwareRelease":
		err = release.Building(ctx)
	case "availableSoftwareRelease":
		err = release.Available(ctx)
	case "destroyedSoftwareRelease":
		err = release.Destroyed(ctx)
	case "softwareReleaseError":
		err = release.ReportError(ctx, get("error_log"))
	case "getSoftwareReleaseListFromSoftwareProduct":
		if url := get("software_release_url"); url != "" {
			_, err = c.SoftwareReleasesLike(ctx, url)
		} else {
			_, err = c.SoftwareReleasesOfProduct(ctx, get("software_product_reference"))
		}
	case "startedComputerPartition":
		err = partition.Started(ctx)
	case "stoppedComputerPartition":
		err = partition.Stopped(ctx)
	case "destroyedComputerPartition":
		err = partition.Destroyed(ctx)
	case "softwareInstanceError":
		if fields.Has("slave_reference") {
			err = partition.ReportSharedError(ctx, get("slave_reference"), get("error_log"))
		} else {
			err = partition.ReportError(ctx, get("error_log"))
		}
	case "softwareInstanceBang":
		err = partition.Bang(ctx, get("message"))
	case "softwareInstanceRename":
		if fields.Has("slave_reference") {
			err = partition.RenameShared(ctx, get("slave_reference"), get("new_name"))
		} else {
			err = partition.Rename(ctx, get("new_name"))
		}
	case "setComputerPartitionConnectionXml":
		connection := dictionary(t, get("connection_xml"))
		if shared := get("slave_reference"); shared != pyNone {
			err = partition.SetSharedConnectionParameters(ctx, shared, connection)
		} else {
			err = partition.SetConnectionParameters(ctx, connection)
		}
	case "updateComputerPartitionRelatedInstanceList":
		var references []string
		for _, item := range value(t, get("instance_reference_xml")).([]any) {
			references = append(references, item.(string))
		}
		err = partition.SetRelatedInstances(ctx, references)
	case "getComputerPartitionCertificate":
		_, err = partition.Certificate(ctx)
	case "getHostingSubscriptionIpList":
		_, err = partition.HostingIPAddresses(ctx)
	case "getComputerStatus":
		_, err = computer.Status(ctx)
	case "computerBang":
		err = computer.Bang(ctx, get("message"))
	case "useComputer":
		err = computer.ReportUsage(ctx, []byte(get("use_string")))
	case "generateComputerCertificate":
		_, err = computer.GenerateCertificate(ctx)
		require.ErrorIs(t, err, ErrCertificate)
	case "revokeComputerCertificate":
		err = computer.RevokeCertificate(ctx)
		require.ErrorIs(t, err, ErrCertificate)
	case "requestComputer":
		_, err = c.OpenOrder().RequestComputer(ctx, get("computer_title"))
	default:
		t.Fatalf("no method for %s", e.Path)
	}
	return err
}

func repeatRequest(ctx context.Context, t *testing.T, c *Client, fields url.Values) error {
	r := Request{
		SoftwareRelease: fields.Get("software_release"),
		SoftwareType:    fields.Get("software_type"),
		Reference:       fields.Get("partition_reference"),
		Shared:          value(t, fields.Get("shared_xml")).(bool),
		Parameters:      dictionary(t, fields.Get("partition_parameter_xml")),
		Filter:          dictionary(t, fields.Get("filter_xml")),
	}
	if state, ok := value(t, fields.Get("state")).(string); ok {
		r.State = State(state)
	}
	if r.SoftwareType == DefaultSoftwareType {
		r.SoftwareType = ""
	}
	var requester IRequester = c.OpenOrder()
	if fields.Has("computer_id") {
		requester = c.PartitionReference(fields.Get("computer_id"), fields.Get("computer_partition_id"))
	}
	p, err := requester.Request(ctx, r)
	if err == nil {
		_, err = p.ID()
	}
	return err
}

// value returns a marshalled value as natives.
func value(t testing.TB, text string) any {
	t.Helper()
	v, err := marshal.Unmarshal([]byte(text))
	require.NoError(t, err)
	n, err := marshal.Native(v)
	require.NoError(t, err)
	return n
}

func dictionary(t testing.TB, text string) Parameters {
	t.Helper()
	return value(t, text).(map[string]any)
}
