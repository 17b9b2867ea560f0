package proxy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
)

// panelPrefix is where the panel is in these tests. Nobody tells the master.
const panelPrefix = "/some/prefix"

// panelStage is a master behind a prefix, with a computer that is played and a
// browser. The release declares its parameters.
type panelStage struct {
	*chromium
	master  *proxytest.Master
	node    *proxytest.Node
	release string
	base    string
	shots   string
	strays  chan string
}

func newPanelStage(t *testing.T, width, height int) *panelStage {
	browser := startChromium(t, width, height)
	public := t.TempDir()
	dir := filepath.Join(public, "software", "web")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range map[string]string{
		"software.cfg.json": `{"name": "Web", "description": "A web server.", "serialisation": "xml", "software-type": {
			"default": {"title": "Server", "description": "Serves files.", "index": 0, "request": "in.json", "response": "in.json"},
			"mirror": {"title": "Mirror", "index": 1, "request": "in.json", "response": "in.json"}}}`,
		"in.json": `{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false,
			"required": ["name"], "properties": {
			"name": {"title": "Site name", "description": "Shown to visitors.", "type": "string", "minLength": 2},
			"port": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 8080},
			"secure": {"type": "boolean", "default": true},
			"mode": {"enum": ["fast", "small"]},
			"backends": {"type": "array", "items": {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}}}}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	s := &panelStage{
		chromium: browser, release: "/srv/slapos/software/web/software.cfg", strays: make(chan string, 100),
		master: proxytest.New(t, proxy.WithPublicDirectory(public)), shots: os.Getenv("SLAPOS_SCREENSHOTS"),
	}
	if s.shots == "" {
		s.shots = t.TempDir()
	}
	s.shots = filepath.Join(s.shots, fmt.Sprint(width))
	s.node = s.master.Node("computer", func(p *slap.ComputerPartition, shared *slap.SharedInstance) slap.Parameters {
		out := proxytest.PublishURL(p, shared)
		out["password"] = "correct horse"
		return out
	})
	require.NoError(t, s.node.Format(t.Context(), 4))
	mux := http.NewServeMux()
	mux.Handle(panelPrefix+"/", http.StripPrefix(panelPrefix, s.master.Server))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.strays <- r.URL.Path
		http.NotFound(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.base = server.URL + panelPrefix + "/"
	return s
}

// shot takes a screenshot.
func (s *panelStage) shot(name string) { s.screenshot(filepath.Join(s.shots, name+".png")) }

// pass lets the node do its work.
func (s *panelStage) pass() { require.NoError(s.t, s.node.Pass(s.t.Context())) }

// clean checks that the page never left the panel and that nothing complained.
func (s *panelStage) clean() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, address := range s.requests {
		if address != s.base && !strings.HasPrefix(address, s.base+"panel/") && address != "about:blank" {
			s.t.Errorf("the page asked for %s", address)
		}
	}
	require.Empty(s.t, s.complaints)
	require.Empty(s.t, s.strays)
}

// TestPanelInABrowser walks with the keyboard alone: supply, request, see the
// tree, change, stop, start, destroy, gone.
func TestPanelInABrowser(t *testing.T) {
	for _, size := range [][2]int{{1200, 800}, {390, 800}} {
		t.Run(fmt.Sprint(size[0]), func(t *testing.T) {
			s := newPanelStage(t, size[0], size[1])
			s.call("Page.navigate", map[string]any{"url": s.base}, nil)
			s.heading("Services")
			s.sees("Nothing was requested yet.")
			s.supplies()
			s.requestsInstance()
			s.seesTree()
			s.changesParameters()
			s.stopsAndStarts()
			s.keepsThePlace()
			s.looksAround()
			s.destroys()
			s.turnsPages()
			s.clean()
		})
	}
}

func (s *panelStage) supplies() {
	s.choose("Releases")
	s.heading("Software releases")
	s.choose("Supply a release")
	s.heading("Supply a release")
	s.choose("Supply")
	s.sees("The URL of a release is needed.")
	s.fill("e.id === 'url'", s.release)
	s.choose("Supply")
	s.heading("computer")
	s.sees(s.release)
	s.sees("no report")
	s.pass()
	s.wait("[...document.querySelectorAll('.badge')].some((e) => e.textContent === 'installed')")
	s.shot("computer")
}

func (s *panelStage) requestsInstance() {
	s.tabTo("e.matches('nav a.primary')")
	s.press("Enter")
	s.heading("Request an instance")
	s.sees("Site name")
	s.fill("e.id === 'title'", "Shop <b>&")
	s.fill("e.closest('.field')?.innerText.startsWith('port')", "70000")
	s.choose("Request")
	s.sees("This is required.")
	s.sees("greater than the maximum of 65535")
	s.shot("request-refused")
	s.fill("e.closest('.field')?.innerText.startsWith('Site name')", "The shop")
	s.fill("e.closest('.field')?.innerText.startsWith('port')", "8443")
	s.tabTo("e.textContent === 'Add' && e.closest('fieldset')?.innerText.startsWith('backends')")
	s.press("Enter")
	s.fill("e.closest('fieldset')?.innerText.startsWith('backends 1') && e.tagName === 'INPUT'", "http://backend.example/")
	s.shot("request")
	s.choose("Request")
	s.heading("Shop <b>&")
	s.sees("Nothing was published yet.")
	s.sees(`"url": "http://backend.example/"`)
}

func (s *panelStage) seesTree() {
	program := s.master.Client.PartitionReference("computer", "slappart0")
	_, err := program.Request(s.t.Context(), slap.Request{SoftwareRelease: s.release, SoftwareType: "mirror", Reference: "child"})
	require.NoError(s.t, err)
	s.tabTo("e.textContent === 'Stop'")
	s.pass()
	s.sees("http://slappart0.computer.example/")
	s.sees("child")
	require.Equal(s.t, "Stop", s.eval("document.activeElement.textContent"), "the focus stays while the view is refreshed")
	require.Equal(s.t, false, s.eval("document.body.innerText.includes('correct horse')"), "a secret is hidden")
	require.Equal(s.t, "http://slappart0.computer.example/", s.eval("document.querySelector('td a[target=_blank][rel~=noopener]').href"))
	s.choose("Show")
	s.sees("correct horse")
	s.shot("instance")
	s.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]string{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	s.shot("instance-dark")
	s.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{}}, nil)
	s.choose("child")
	s.heading("child")
	s.sees("Requested by")
	s.eval("history.back()")
	s.heading("Shop <b>&")
}

func (s *panelStage) changesParameters() {
	s.choose("Change parameters")
	s.heading("Change Shop <b>&")
	s.sees("Site name")
	s.shot("change")
	s.fill("e.closest('.field')?.innerText.startsWith('Site name')", "Another shop")
	s.choose("Save")
	s.heading("Shop <b>&")
	s.sees("Another shop")
	s.sees("8443")
}

func (s *panelStage) stopsAndStarts() {
	s.choose("Stop")
	s.wait("document.querySelector('.head .badge').textContent === 'wanted: stopped'")
	s.sees("not there yet")
	s.pass()
	s.wait("document.querySelector('.head .badge.ok')?.textContent === 'stopped'")
	s.choose("Start")
	s.wait("document.querySelector('.head .badge').textContent === 'wanted: started'")
	s.pass()
	s.wait("document.querySelector('.head .badge.ok')?.textContent === 'started'")
}

// keepsThePlace reloads, and opens a section that stays open.
func (s *panelStage) keepsThePlace() {
	s.eval("location.reload()")
	s.heading("Shop <b>&")
	require.NoError(s.t, s.master.Client.PartitionReference("computer", "slappart0").Bang(s.t.Context(), "look here"))
	s.sees("Last bang")
	s.tabTo("e.tagName === 'SUMMARY' && e.textContent.includes('Last bang')")
	s.press("Enter")
	s.sees("look here")
	require.NoError(s.t, s.master.Client.PartitionReference("computer", "slappart0").Bang(s.t.Context(), "look again"))
	s.sees("look again")
	require.Equal(s.t, true, s.eval("document.querySelector('details').open"))
	s.pass()
}

func (s *panelStage) looksAround() {
	s.choose("Services")
	s.heading("Services")
	s.shot("services")
	s.fill("e.id === 'search'", "nothing like this")
	s.sees("No service matches “nothing like this”.")
	require.Equal(s.t, "search", s.eval("document.activeElement.id"))
	s.eval("location.reload()")
	s.sees("No service matches “nothing like this”.")
	s.choose("Problems")
	s.sees("Nothing failed")
	program := s.master.Client.PartitionReference("computer", "slappart0")
	require.NoError(s.t, program.ReportError(s.t.Context(), "Traceback\n  no <such> file"))
	s.sees("no <such> file")
	s.shot("problems")
	s.choose("Computers")
	s.heading("Computers")
	s.sees("2 of 4 free")
	s.choose("Releases")
	s.heading("Software releases")
	s.sees("installed")
	s.shot("releases")
	s.eval("location.hash = '#/nothing'")
	s.heading("Nothing here")
	s.eval("location.hash = '#/instance/computer/slappart0'")
	s.heading("Shop <b>&")
	s.sees("Traceback")
}

func (s *panelStage) destroys() {
	s.choose("Destroy")
	s.sees("Destroy Shop <b>&?")
	s.shot("destroy")
	require.Equal(s.t, "Cancel", s.eval("document.activeElement.textContent"))
	s.press("Escape")
	s.wait("!document.querySelector('dialog').open")
	require.Equal(s.t, "Destroy", s.eval("document.activeElement.textContent"))
	s.press("Enter")
	s.sees("Destroy Shop <b>&?")
	s.tabTo("e.textContent === 'Destroy' && e.closest('dialog')")
	s.press("Enter")
	s.wait("document.querySelector('.head .badge').textContent === 'wanted: destroyed'")
	s.pass() // asks the child to go
	s.pass() // the child goes
	s.pass()
	s.sees("the instance that was there is gone")
	s.choose("All services")
	s.sees("Nothing was requested yet.")
}

// crowd requests many instances, on a computer of their own.
func (s *panelStage) crowd(n int) {
	ctx := s.t.Context()
	large := s.master.Node("large", nil)
	require.NoError(s.t, large.Format(ctx, n+20))
	s.master.Supply(s.t, "large", s.release)
	order := s.master.Client.OpenOrder()
	for i := range n {
		_, err := order.Request(ctx, slap.Request{
			SoftwareRelease: s.release, Reference: fmt.Sprintf("Crowd %03d", i), Filter: slap.Parameters{"computer_guid": "large"},
		})
		require.NoError(s.t, err)
	}
}

// turnsPages goes through long lists, searches in them, and comes back.
func (s *panelStage) turnsPages() {
	s.crowd(130)
	s.choose("Services")
	s.sees("1–50 of 130")
	s.sees("Crowd 049")
	s.shot("pages-first")
	s.choose("Next")
	s.sees("51–100 of 130")
	s.wait("document.activeElement.textContent === 'Next'")
	require.EqualValues(s.t, 0, s.eval("document.body.innerText.includes('Crowd 049') ? 1 : 0"))
	s.shot("pages-middle")
	s.press("Enter") // the focus stayed there
	s.sees("101–130 of 130")
	s.sees("Crowd 129")
	s.wait("document.activeElement.closest('.pages')")
	require.Equal(s.t, false, s.eval("[...document.querySelectorAll('.pages a')].some((e) => e.textContent === 'Next')"))
	s.shot("pages-last")
	s.eval("location.reload()")
	s.sees("101–130 of 130")
	s.choose("Previous")
	s.sees("51–100 of 130")
	s.eval("history.back()")
	s.sees("101–130 of 130")
	s.choose("First")
	s.sees("1–50 of 130")

	// What somebody else requests shows up on the page that is open.
	_, err := s.master.Client.OpenOrder().Request(s.t.Context(), slap.Request{
		SoftwareRelease: s.release, Reference: "A newcomer", Filter: slap.Parameters{"computer_guid": "large"},
	})
	require.NoError(s.t, err)
	s.sees("A newcomer")
	s.sees("1–50 of 131")

	// The master searches, also what is on other pages.
	s.fill("e.id === 'search'", "crowd 12")
	s.sees("12 found") // 012, 112, 120 to 129
	s.sees("Crowd 129")
	s.shot("pages-search")
	s.fill("e.id === 'search'", "crowd none")
	s.sees("No service matches “crowd none”.")
	s.shot("pages-nothing")
	s.choose("Show all")
	s.sees("1–50 of 131")

	s.choose("Computers")
	s.choose("large")
	s.heading("large")
	s.sees("19 of 150 free")
	s.sees("1–50 of 150")
	s.shot("pages-computer")
	s.fill("e.id === 'search'", "free")
	s.sees("19 found")
	s.choose("Releases")
	s.choose(s.release)
	s.heading(s.release)
	s.sees("131")
	s.shot("release")
}

// TestPanelRefusalsInABrowser meets what goes wrong, and what other people's
// instances may write: it is told in place, and nothing is lost or run.
func TestPanelRefusalsInABrowser(t *testing.T) {
	s := newPanelStage(t, 1200, 800)
	ctx := t.Context()
	const plain = "http://release.invalid/plain.cfg"
	s.master.Supply(t, "computer", plain)
	order := s.master.Client.OpenOrder()
	for _, title := range []string{"one", "two"} {
		_, err := order.Request(ctx, slap.Request{SoftwareRelease: plain, Reference: title, Parameters: slap.Parameters{"_": `{"id": 12345678901234567890, "t": [1]}`}})
		require.NoError(t, err)
	}
	one := s.master.Client.PartitionReference("computer", "slappart0")
	require.NoError(t, one.SetConnectionParameters(ctx, slap.Parameters{
		"script": "javascript:alert(1)", "html": "<img src=x onerror=alert(1)>", "database": "postgres://me:hidden@host/db", "site": "https://site.example/?a=1&b=2",
	}))
	s.call("Page.navigate", map[string]any{"url": s.base + "panel/#/instance/computer/slappart0"}, nil)
	s.heading("one")
	s.sees("<img src=x onerror=alert(1)>")
	require.Equal(t, false, s.eval("document.body.innerText.includes('hidden')"))
	require.EqualValues(t, 1, s.eval("document.querySelectorAll('td a').length"), "only web addresses are links")
	require.EqualValues(t, 0, s.eval("document.querySelectorAll('main img').length"))

	// A title that is taken is refused inside the dialog.
	s.choose("Rename")
	s.fill("e.id === 'dialog-input'", "two")
	s.press("Enter")
	s.sees(`There is an instance "two" already`)
	s.fill("e.id === 'dialog-input'", "uno")
	s.press("Enter")
	s.heading("uno")

	// Large numbers stay what they are, without a form.
	s.choose("Change parameters")
	s.heading("Change uno")
	s.sees("No form:")
	require.Equal(t, `{"id": 12345678901234567890, "t": [1]}`, s.eval("document.querySelector('#json').value"))
	s.fill("e.id === 'json'", "{not json")
	s.choose("Save")
	s.sees("This is not JSON")

	// What somebody else changed meanwhile is not overwritten.
	s.fill("e.id === 'json'", `{"id": 12345678901234567891}`)
	_, err := order.Request(ctx, slap.Request{SoftwareRelease: plain, Reference: "uno", Parameters: slap.Parameters{"_": `{"other": true}`}})
	require.NoError(t, err)
	s.choose("Save")
	s.sees("The parameters were changed meanwhile")
	require.Equal(t, `{"id": 12345678901234567891}`, s.eval("document.querySelector('#json').value"), "what was typed is kept")
	s.choose("Cancel")

	// A request that cannot be granted keeps the form.
	s.eval("location.hash = '#/request?release=' + encodeURIComponent(" + quoted(plain) + ")")
	s.heading("Request an instance")
	s.sees("No form:")
	s.fill("e.id === 'title'", "two")
	s.choose("Request")
	s.sees(`There is an instance "two" already`)
	s.fill("e.id === 'title'", "a shared one")
	s.tabTo("e.id === 'shared'")
	s.press(" ")
	s.choose("Request")
	s.heading("a shared one")
	s.sees("Served by")
	s.choose("Destroy")
	s.tabTo("e.textContent === 'Destroy' && e.closest('dialog')")
	s.press("Enter")
	s.sees("wanted: destroyed")
	s.shot("shared")
	s.clean()
}
