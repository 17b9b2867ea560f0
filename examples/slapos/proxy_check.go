package main

import (
	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/proxy"
)

const proxyCheckLong = `Verifies a stand-alone master's database: the file, that its rows fit together, and that all
of it can be told to nodes. Nothing is changed, and a master may serve it meanwhile. Of a
database of the Python proxy it tells whether "slapos proxy start" can import it.

Exit status: 0 sound, 1 something is wrong.`

// newProxyCheck is "slapos proxy check".
func newProxyCheck(a *app) *cobra.Command {
	var cfg *cfgOption
	var database string
	cmd := leaf(otherGroup, "check", "verify the database of a master", proxyCheckLong,
		func(cmd *cobra.Command, _ []string) error {
			s, err := a.databaseSettings(cfg, database)
			if err != nil {
				return err
			}
			notes, err := proxy.Check(cmd.Context(), s.database, s.computerID)
			for _, note := range notes {
				a.log.Warn(note)
			}
			if err != nil {
				return err
			}
			return a.printf("%s: ok\n", proxy.DatabaseName(s.database))
		})
	f := optionsOf(cmd)
	cfg = nodeCfg(f)
	f.text(&database, "-u --database-uri", "Database file or postgres:// address (default: database_uri of [slapproxy]).")
	return cmd
}
