package proxy_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// chromium drives a headless Chromium over a pipe, in the protocol of its
// developer tools.
type chromium struct {
	t       *testing.T
	in      *os.File
	session string

	mu      sync.Mutex
	last    int
	waiting map[int]chan reply
	// requests are the addresses that the page asked for, complaints what it or
	// the browser found wrong.
	requests, complaints []string
}

// message is what comes over the pipe: an answer or an event.
type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	reply
}

type reply struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// patience is how long anything in the browser may take on a loaded machine.
const patience = 60 * time.Second

// startChromium starts the browser with one page of a size. Without one on the
// machine the test is skipped, unless SLAPOS_INTEROP requires it.
func startChromium(t *testing.T, width, height int) *chromium {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		program, err = exec.LookPath("chromium-browser")
	}
	switch mode := os.Getenv("SLAPOS_INTEROP"); {
	case mode == "off":
		t.Skip("no test in a browser: SLAPOS_INTEROP=off")
	case err != nil && mode == "required":
		t.Fatalf("a browser is required (SLAPOS_INTEROP): %v", err)
	case err != nil:
		t.Skipf("no test in a browser: %v", err)
	}
	toBrowser, in, err := os.Pipe()
	require.NoError(t, err)
	out, fromBrowser, err := os.Pipe()
	require.NoError(t, err)
	profile := t.TempDir()
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+profile, "TMPDIR="+profile)
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	require.NoError(t, errors.Join(toBrowser.Close(), fromBrowser.Close()))
	b := &chromium{t: t, in: in, waiting: map[int]chan reply{}}
	read := make(chan struct{})
	go func() { defer close(read); b.read(bufio.NewReaderSize(out, 1<<20)) }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_, _ = in.Close(), out.Close()
		<-read
	})
	b.open(width, height)
	return b
}

// open attaches to a new page.
func (b *chromium) open(width, height int) {
	var target struct {
		TargetID string `json:"targetId"`
	}
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call("Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}, nil)
}

// read takes messages off the pipe until it ends.
func (b *chromium) read(r *bufio.Reader) {
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
			b.complain("message that is not JSON: %v", err)
			continue
		}
		if m.ID == 0 {
			b.event(m)
			continue
		}
		b.mu.Lock()
		answer := b.waiting[m.ID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		if answer != nil {
			answer <- m.reply
		}
	}
}

func (b *chromium) complain(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, fmt.Sprintf(format, args...))
}

// event notes requests and complaints. That a call was refused is no complaint:
// the page tells it to the person.
func (b *chromium) event(m message) {
	var p struct {
		Type    string `json:"type"`
		Request struct {
			URL string `json:"url"`
		} `json:"request"`
		Entry struct {
			Level  string `json:"level"`
			Source string `json:"source"`
			Text   string `json:"text"`
			URL    string `json:"url"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(m.Params, &p); err != nil {
		b.complain("event %s: %v", m.Method, err)
		return
	}
	switch m.Method {
	case "Network.requestWillBeSent":
		b.mu.Lock()
		b.requests = append(b.requests, p.Request.URL)
		b.mu.Unlock()
	case "Runtime.exceptionThrown":
		b.complain("exception: %s", m.Params)
	case "Runtime.consoleAPICalled":
		if p.Type == "error" || p.Type == "warning" {
			b.complain("console: %s", m.Params)
		}
	case "Log.entryAdded":
		refusedCall := p.Entry.Source == "network" && strings.Contains(p.Entry.URL, "/panel/api/") && strings.Contains(p.Entry.Text, "status of 4")
		if p.Entry.Level == "error" && !refusedCall {
			b.complain("log: %s", m.Params)
		}
	}
}

// call sends a command and reads its result.
func (b *chromium) call(method string, params, result any) {
	b.t.Helper()
	r := b.send(method, params)
	require.Nil(b.t, r.Error, "%s: %v", method, r.Error)
	if result != nil {
		require.NoError(b.t, json.Unmarshal(r.Result, result))
	}
}

// send sends a command and waits for the answer.
func (b *chromium) send(method string, params any) reply {
	b.t.Helper()
	b.mu.Lock()
	b.last++
	id, answer := b.last, make(chan reply, 1)
	b.waiting[id] = answer
	b.mu.Unlock()
	command := map[string]any{"id": id, "method": method}
	if params != nil {
		command["params"] = params
	}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	text, err := json.Marshal(command)
	require.NoError(b.t, err)
	_, err = b.in.Write(append(text, 0))
	require.NoError(b.t, err)
	select {
	case r := <-answer:
		return r
	case <-time.After(patience):
		b.t.Fatalf("%s: no answer of the browser", method)
		return reply{}
	}
}

// evaluation is the result of JavaScript.
type evaluation struct {
	Result struct {
		Value any `json:"value"`
	} `json:"result"`
	Exception any `json:"exceptionDetails"`
}

func evaluate(script string) map[string]any {
	return map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}
}

// eval runs JavaScript in the page.
func (b *chromium) eval(script string) any {
	b.t.Helper()
	var r evaluation
	b.call("Runtime.evaluate", evaluate(script), &r)
	require.Nil(b.t, r.Exception, "%s", script)
	return r.Result.Value
}

// holds tells whether an expression is true in the page. While the page is loaded
// anew nothing is.
func (b *chromium) holds(expression string) bool {
	b.t.Helper()
	answer := b.send("Runtime.evaluate", evaluate("Boolean("+expression+")"))
	if answer.Error != nil {
		return false
	}
	var r evaluation
	require.NoError(b.t, json.Unmarshal(answer.Result, &r))
	return r.Exception == nil && r.Result.Value == true
}

// wait waits until an expression is true in the page.
func (b *chromium) wait(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	for !b.holds(expression) {
		select {
		case <-ctx.Done():
			b.t.Fatalf("waited in vain for %s; the page shows:\n%s\ncomplaints: %q", expression, b.eval("document.body.innerText"), b.complaints)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// sees waits for a text in the page.
func (b *chromium) sees(text string) {
	b.t.Helper()
	b.wait("document.body.innerText.includes(" + quoted(text) + ")")
}

// heading waits for the title of a view.
func (b *chromium) heading(text string) {
	b.t.Helper()
	b.wait("document.querySelector('h1')?.textContent === " + quoted(text))
}

func quoted(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string
	}
	return string(out)
}

// press presses a key.
func (b *chromium) press(key string) {
	codes := map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, " ": 32, "Home": 36}
	down := map[string]any{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
	if key == "Enter" {
		down["text"] = "\r"
	}
	b.call("Input.dispatchKeyEvent", down, nil)
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}, nil)
}

// tabTo presses Tab until what has the focus fulfils a condition on "e".
func (b *chromium) tabTo(condition string) {
	b.t.Helper()
	b.wait("[...document.querySelectorAll('a,button,input,select,textarea,summary')].some((e) => " + condition + ")")
	for range 120 {
		if b.eval("((e) => Boolean("+condition+"))(document.activeElement)") == true {
			return
		}
		b.press("Tab")
	}
	b.t.Fatalf("no Tab leads to %s; the page shows:\n%s", condition, b.eval("document.body.innerText"))
}

// choose goes to a link or button by its text and presses it.
func (b *chromium) choose(text string) {
	b.t.Helper()
	b.tabTo("e.textContent.trim() === " + quoted(text))
	b.press("Enter")
}

// fill goes to a field by its id, or by a condition, and replaces its text.
func (b *chromium) fill(condition, text string) {
	b.t.Helper()
	b.tabTo(condition)
	b.eval("document.activeElement.select()")
	b.call("Input.insertText", map[string]any{"text": text}, nil)
}

// screenshot writes what the page shows into a directory.
func (b *chromium) screenshot(path string) {
	b.t.Helper()
	require.EqualValues(b.t, 0, b.eval("Math.max(0, document.documentElement.scrollWidth - innerWidth)"), "%s: wider than the screen", path)
	var shot struct {
		Data string `json:"data"`
	}
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	require.NoError(b.t, err)
	require.NoError(b.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(b.t, os.WriteFile(path, png, 0o600))
}
