package testpeer_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/testpeer"
)

func TestProxyOfEachVersionAnswers(t *testing.T) {
	for _, version := range testpeer.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			peer := testpeer.Get(t, version)
			proxy := peer.StartProxy(t, "computer")
			resp, err := http.Get(proxy.URL + "getFullComputerInformation?computer_id=computer")
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode, proxy.Output())
			require.Contains(t, string(body), `class="Computer"`)
		})
	}
}

func TestProgramsRun(t *testing.T) {
	for _, version := range testpeer.Versions() {
		t.Run(version, func(t *testing.T) {
			peer := testpeer.Get(t, version)
			for _, args := range [][]string{
				{"slapos", "--version"}, {"supervisord", "--version"}, {"supervisorctl", "--help"}, {"buildout", "--version"},
			} {
				cmd := peer.Command(t.Context(), args[0], args[1:]...)
				cmd.Env = append(cmd.Env, "HOME="+t.TempDir())
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%v: %s", args, out)
			}
			cmd := peer.Command(t.Context(), "slapos", "help")
			cmd.Env = append(cmd.Env, "HOME="+t.TempDir())
			out, err := cmd.CombinedOutput()
			require.NoError(t, err)
			// Commands whose module does not import vanish from the list.
			for _, command := range []string{"node software", "node instance", "node report", "node promise", "proxy start", "request"} {
				require.True(t, strings.Contains(string(out), "  "+command+" "), "%s missing in:\n%s", command, out)
			}
		})
	}
}
