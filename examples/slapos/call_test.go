package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// maxAnswer bounds what call prints, in bytes.
const maxAnswer = 1 << 20

// call METHOD URL [FILE] calls a server, with a body from a file, and prints the
// status and the body of the answer.
func call(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: call method url [file]")
	}
	var body io.Reader
	if len(args) == 3 {
		body = bytes.NewReader([]byte(ts.ReadFile(args[2])))
	}
	request, err := http.NewRequest(args[0], args[1], body)
	ts.Check(err)
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	ts.Check(err)
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d\n%s\n", response.StatusCode, text)
}
