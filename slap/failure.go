package slap

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// failed tells whether a status is a failure: 2xx is not, nor what redirects
// without saying where to.
func failed(status int) bool { return status >= 400 || status < 200 }

// statusError turns the status of an answer into an error.
func statusError(k call, u *url.URL, response *http.Response, body []byte) error {
	e := &Error{
		Op: k.op, URL: public(u), Status: response.StatusCode,
		Message: response.Status,
	}
	if text := http.StatusText(response.StatusCode); text != "" {
		e.Message = fmt.Sprintf("%d %s", response.StatusCode, text)
	}
	if text := excerpt(body); text != "" {
		e.Message += ": " + text
	}
	e.Message = printable(e.Message)
	switch response.StatusCode {
	case http.StatusNotFound:
		e.Kinds = []error{ErrNotFound}
	case http.StatusRequestTimeout:
		e.Kinds = []error{ErrNotReady}
		e.Hint = "the master has not allocated it yet; ask again later"
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Kinds = []error{ErrAuthentication, ErrServer}
		e.Hint = "check the certificate or the password that the master asks for"
	case http.StatusServiceUnavailable:
		e.Kinds = []error{ErrServer}
		e.Hint = "the master is busy or not ready; try again later"
		if wait, ok := retryAfter(response, time.Now()); ok {
			e.Hint = fmt.Sprintf("the master is busy or not ready; it asks to try again after %v", wait)
		}
	case http.StatusInternalServerError:
		e.Kinds = []error{ErrServer}
		e.Hint = "the master's log has the reason; a stand-alone one of slapos.core answers so for what it does not know"
	default:
		e.Kinds = []error{ErrServer}
	}
	return e
}

// connectionError describes a call that got no answer, or only the beginning of
// one.
func connectionError(ctx context.Context, k call, u *url.URL, err error, p *policy, begun bool) error {
	e := &Error{Op: k.op, URL: public(u), Err: bare(err), Kinds: []error{ErrConnection}}
	switch ended := contextError(ctx); {
	case errors.Is(ended, errSilence):
		e.Message, e.Err = "no complete answer", errSilence
	case errors.Is(ended, errResends):
		e.Message, e.Err = "no answer came from the master", errResends
	case ended != nil:
		// Which of its two errors an HTTP client reports is a matter of chance.
		e.Message, e.Err = "given up while waiting for the master", ended
	case isUseless(err):
		e.Kinds = []error{ErrServer}
		e.Message = "no usable answer"
	case isTLS(err, begun || p.sent.Load()):
		e.Kinds = []error{ErrAuthentication, ErrConnection}
		e.Message = "the TLS connection was refused"
		e.Hint = "name the authority of the master's certificate with master_ca_file (slap.WithCAFile), " +
			"or switch verification off with master_verify = false (slap.WithoutVerification); check the client certificate"
	case begun:
		e.Message = "the connection broke in the middle of the answer"
	case isConnection(err) && !isDial(err):
		e.Message = "the connection broke before an answer came"
	case isTimeout(err) && !isDial(err):
		e.Message = "no answer in time"
	default:
		e.Message = "no answer came from the master"
		if isDial(err) {
			e.Message = "could not connect to the master"
		}
		e.Hint = "check the master URL, that the master runs, and that IPv6 works on this machine if the URL needs it"
	}
	if e.Hint == "" && p.mayHaveActed(err) {
		e.Hint = "it is not known whether the master acted"
	}
	return e
}

// isTimeout tells whether an error is that of a time-out.
func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// contextError tells that a context has ended, and why, or returns nil.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || cause == err {
		return err
	}
	return endedError{err, cause}
}

// endedError is the error of a context that ended for a cause of its own. It is
// both, in the words of the cause.
type endedError struct{ err, cause error }

func (e endedError) Error() string { return e.cause.Error() }

func (e endedError) Unwrap() []error { return []error{e.err, e.cause} }

// isUseless tells whether an answer came that is of no use, however often it
// comes.
func isUseless(err error) bool {
	_, large := errors.AsType[tooLargeError](err)
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	return large || corrupt || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) ||
		errors.Is(err, errRedirects) || errors.Is(err, errDowngrade) || errors.Is(err, errLocation)
}

// bare drops method and URL, which Error has already, from the error of an HTTP
// client.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// public returns a URL for messages: without credentials, query and fragment.
func public(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return shown.String()
}

// printable returns a text on one line, in which what would do something to a
// terminal is replaced.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// excerpt returns the beginning of an error page, without headings and markup,
// on one line.
func excerpt(body []byte) string {
	const limit = 300
	var b strings.Builder
	tag := false
	page := string(body[:min(len(body), 4096)])
	if _, paragraphs, ok := strings.Cut(page, "<p>"); ok {
		page = paragraphs
	}
	for _, r := range page {
		switch {
		case r == '<':
			tag = true
			b.WriteByte(' ')
		case r == '>' && tag:
			tag = false
		case !tag:
			b.WriteRune(r)
		}
	}
	text := strings.Join(strings.Fields(html.UnescapeString(b.String())), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}

// isTLS tells whether no connection was made because of TLS. After a request was
// sent that is so if the server wants another certificate, which in TLS 1.3 it
// says only then; all else is a connection that broke, or that somebody broke.
func isTLS(err error, sent bool) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*certificateFileError](err); ok {
		return true
	}
	alert, alerted := errors.AsType[*net.OpError](err)
	if sent {
		return alerted && alert.Op == "remote error" && isAboutCertificate(alert.Err.Error())
	}
	if alerted && (alert.Op == "remote error" || alert.Op == "local error") {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	return strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: ")
}

// isAboutCertificate tells whether an alert refuses a client certificate. Its
// type cannot be named.
func isAboutCertificate(alert string) bool {
	return strings.Contains(alert, "certificate") || strings.HasSuffix(alert, "access denied")
}
