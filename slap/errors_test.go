package slap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatusBecomesError(t *testing.T) {
	kinds := map[int]error{
		200: nil, 201: nil, 204: nil, 206: nil, 300: nil, 304: nil,
		400: ErrServer, 401: ErrAuthentication, 403: ErrAuthentication, 404: ErrNotFound, 405: ErrServer, 406: ErrServer,
		408: ErrNotReady, 409: ErrServer, 410: ErrServer, 413: ErrServer, 429: ErrServer,
		500: ErrServer, 501: ErrServer, 502: ErrServer, 503: ErrServer, 504: ErrServer, 505: ErrServer,
		520: ErrServer, 521: ErrServer, 523: ErrServer, 524: ErrServer, 526: ErrServer,
	}
	for status, kind := range kinds {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				if status != 204 && status != 304 {
					fmt.Fprint(w, "<!doctype html><title>x</title><h1>x</h1><p>why  &amp;\nso</p>")
				}
			}), WithRetry(0))
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				_, err := c.do(context60(t), method, call{op: "operation", path: "s", fields: []field{{"secret", "value"}}})
				if kind == nil {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, kind)
				e, ok := errors.AsType[*Error](err)
				require.True(t, ok)
				require.Equal(t, status, e.Status)
				require.Equal(t, c.URL()+"s", e.URL)
				require.True(t, strings.HasSuffix(e.Message, ": why & so"), e.Message)
				require.NotContains(t, err.Error(), "secret")
				for _, other := range []error{ErrNotFound, ErrNotReady, ErrConnection} {
					if other != kind {
						require.NotErrorIs(t, err, other)
					}
				}
			}
		})
	}
}

func TestErrorReadsWell(t *testing.T) {
	e := &Error{
		Op: "supply", URL: "http://m/supplySupply", Status: 500, Message: "500 Internal Server Error",
		Hint: "try again", Kinds: []error{ErrServer}, Err: context.DeadlineExceeded,
	}
	require.EqualError(t, e, "supply http://m/supplySupply: 500 Internal Server Error: context deadline exceeded (try again)")
	require.ErrorIs(t, e, ErrServer)
	require.ErrorIs(t, e, context.DeadlineExceeded)
	require.NotErrorIs(t, e, ErrNotFound)

	pending := &NotReadyError{Request: Request{Reference: "db"}, Err: notReady("request", "wait")}
	require.EqualError(t, pending, `instance "db" is not ready yet: request: wait`)
	require.ErrorIs(t, pending, ErrNotReady)
}

func TestAnswersThatCannotBeUnderstood(t *testing.T) {
	answers := map[string]string{
		"no XML":           "not xml",
		"nothing":          "",
		"other class":      `<marshal><object id="i2" module="os" class="system"><tuple/><dictionary id="i3"/></object></marshal>`,
		"another object":   `<marshal><object id="i2" module="slapos.slap.slap" class="SoftwareInstance"><tuple/><dictionary id="i3"/></object></marshal>`,
		"no object":        `<marshal><string>Not implemented.</string></marshal>`,
		"odd dictionary":   `<marshal><dictionary><string>a</string></dictionary></marshal>`,
		"no partitions":    `<marshal><object module="slapos.slap.slap" class="Computer"><tuple><string>c</string></tuple><dictionary><string>_computer_partition_list</string><list><int>1</int></list></dictionary></object></marshal>`,
		"no releases":      `<marshal><object module="slapos.slap.slap" class="Computer"><tuple><string>c</string></tuple><dictionary><string>_software_release_list</string><list><none/></list></dictionary></object></marshal>`,
		"cyclic parameter": `<marshal><object module="slapos.slap.slap" class="Computer"><tuple><string>c</string></tuple><dictionary><string>_computer_partition_list</string><list><object module="slapos.slap.slap" class="ComputerPartition"><tuple><string>c</string><string>p</string></tuple><dictionary><string>_parameter_dict</string><dictionary id="i9"><string>me</string><reference id="i9"/></dictionary></dictionary></object></list></dictionary></object></marshal>`,
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
			ctx := context60(t)
			_, err := c.Computer("c").Partitions(ctx)
			require.ErrorIs(t, err, ErrServer)
			require.ErrorContains(t, err, "cannot be understood")
			_, err = c.ComputerPartition(ctx, "c", "p")
			require.ErrorIs(t, err, ErrServer)
			_, err = c.OpenOrder().Request(ctx, Request{SoftwareRelease: "sr", Reference: "r"})
			require.ErrorIs(t, err, ErrServer)
			_, err = c.SoftwareReleasesOfProduct(ctx, "p")
			require.ErrorIs(t, err, ErrServer)
			_, err = c.PartitionReference("c", "p").Certificate(ctx)
			require.ErrorIs(t, err, ErrServer)
		})
	}
}

func TestEmptyIdentifiersNeedNoRequest(t *testing.T) {
	c := client(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("request to %s", r.URL) }))
	ctx := context60(t)
	computer := c.Computer("")
	calls := map[string]func() error{
		"partition without computer":   func() error { _, err := c.ComputerPartition(ctx, "", "p"); return err },
		"partition without identifier": func() error { _, err := c.ComputerPartition(ctx, "c", ""); return err },
		"partition without anything":   func() error { _, err := c.ComputerPartition(ctx, "", ""); return err },
		"computer partitions":          func() error { _, err := computer.Partitions(ctx); return err },
		"computer releases":            func() error { _, err := computer.SoftwareReleases(ctx); return err },
		"computer status":              func() error { _, err := computer.Status(ctx); return err },
		"computer bang":                func() error { return computer.Bang(ctx, "m") },
		"computer usage":               func() error { return computer.ReportUsage(ctx, []byte("x")) },
		"computer certificate":         func() error { _, err := computer.GenerateCertificate(ctx); return err },
		"computer revocation":          func() error { return computer.RevokeCertificate(ctx) },
		"computer information":         func() error { _, err := computer.Information(ctx); return err },
		"release without computer":     func() error { return c.SoftwareRelease("sr").Building(ctx) },
		"release without URL":          func() error { return c.SoftwareRelease("").OnComputer("c").ReportError(ctx, "e") },
		"product":                      func() error { _, err := c.SoftwareReleasesOfProduct(ctx, ""); return err },
		"release of product":           func() error { _, err := c.SoftwareReleasesLike(ctx, ""); return err },
		"supply without a release":     func() error { return c.Supply().Supply(ctx, "", "c", "") },
		"request without a release":    func() error { _, err := c.OpenOrder().Request(ctx, Request{Reference: "r"}); return err },
		"request without a reference":  func() error { _, err := c.OpenOrder().Request(ctx, Request{SoftwareRelease: "sr"}); return err },
		"child without a reference": func() error {
			_, err := c.PartitionReference("c", "p").Request(ctx, Request{SoftwareRelease: "sr"})
			return err
		},
	}
	host := c.PartitionReference("c", "p")
	for _, reference := range []string{"", "None", "none"} { // which masters take for none, and the host for meant
		calls["shared connection "+reference] = func() error { return host.SetSharedConnectionParameters(ctx, reference, nil) }
		calls["shared error "+reference] = func() error { return host.ReportSharedError(ctx, reference, "e") }
		calls["shared rename "+reference] = func() error { return host.RenameShared(ctx, reference, "n") }
	}
	for name, call := range calls {
		require.ErrorIs(t, call(), ErrNotFound, name)
	}
	unknown := c.PartitionReference("c", "")
	for name, call := range map[string]func() error{
		"started": func() error { return unknown.Started(ctx) },
		"refresh": func() error { return unknown.Refresh(ctx) },
		"error":   func() error { return unknown.ReportError(ctx, "e") },
		"request": func() error { _, err := unknown.Request(ctx, Request{}); return err },
		"status":  func() error { _, err := unknown.Status(ctx); return err },
		"id":      func() error { _, err := unknown.ID(); return err },
		"guid":    func() error { _, err := unknown.InstanceGUID(); return err },
		"state":   func() error { _, err := unknown.State(); return err },
		"type":    func() error { _, err := unknown.Type(); return err },
	} {
		require.ErrorIs(t, call(), ErrNotReady, name)
	}
	require.NoError(t, computerWithID(c).ReportUsage(ctx, nil), "an empty report is not sent")
}

func computerWithID(c *Client) *Computer { return c.Computer("c") }

func TestWhatCannotBeSent(t *testing.T) {
	c := client(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("request to %s", r.URL) }))
	_, err := c.OpenOrder().Request(context60(t), Request{SoftwareRelease: "http://sr/", Reference: "r", Parameters: Parameters{"a": "\x01"}})
	require.ErrorContains(t, err, `parameters cannot be sent: marshal: "a": text not allowed`)
	require.NotContains(t, err.Error(), "EncodeParameters")
	_, err = c.OpenOrder().Request(context60(t), Request{SoftwareRelease: "http://sr/", Reference: "r", Filter: Parameters{"a": "x", "b": struct{}{}}})
	require.ErrorContains(t, err, `filter cannot be sent: marshal: "b": refusing`)
	require.ErrorContains(t, err, "EncodeParameters")
	err = c.PartitionReference("c", "p").SetConnectionParameters(context60(t), Parameters{"a": make(chan int)})
	require.ErrorContains(t, err, "connection parameters cannot be sent")
	// A computer whose name would break the header is refused, not sent.
	err = c.PartitionReference("c\r\nX: y", "p").Started(context60(t))
	require.ErrorContains(t, err, "control character")
	for _, kind := range []error{ErrNotFound, ErrNotReady, ErrServer, ErrAuthentication, ErrConnection} {
		require.NotErrorIs(t, err, kind)
	}
}

// TestErrorsHoldNoValues, neither of what is sent nor of what is answered: errors
// are logged, and values may be passwords and keys.
func TestErrorsHoldNoValues(t *testing.T) {
	ctx := context60(t)
	for _, secret := range []string{"secret\x01", "\x01secret", "secret\xff"} {
		p := client(t, "http://127.0.0.1:1/").PartitionReference("c", "p")
		err := p.SetConnectionParameters(ctx, Parameters{"user": "u", "deep": map[string]any{"password": []any{secret}}})
		require.ErrorContains(t, err, `connection parameters cannot be sent: marshal: "deep": "password": text not allowed in XML: byte `)
		require.NotContains(t, err.Error(), "secret")
	}
	for text, told := range map[string]string{
		`<string>secret</string>`:                "text",
		`<list><string>secret</string></list>`:   "a list",
		`<tuple><string>secret</string></tuple>`: "a list",
		`<float>1.5</float>`:                     "a number",
		`<object module="slapos.slap.slap" class="SoftwareInstance"><tuple/><dictionary><string>a</string><string>secret</string></dictionary></object>`: "an object of class SoftwareInstance",
	} {
		c := newAsked(t, 200, "<marshal>"+text+"</marshal>")
		for _, err := range []error{
			second(c.PartitionReference("c", "p").Certificate(ctx)),
			second(c.ComputerPartition(ctx, "c", "p")),
			c.Computer("c").Refresh(ctx),
		} {
			require.ErrorIs(t, err, ErrServer)
			require.ErrorContains(t, err, "was expected, not "+told)
			require.NotContains(t, err.Error(), "secret")
		}
	}
}
