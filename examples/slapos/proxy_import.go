package main

import (
	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/proxy"
)

const proxyImportLong = `Puts all that a master's database holds into another, empty one: into the PostgreSQL database
or the new file that database_uri of [slapproxy] or --database-uri names. The source is a file
of the Python proxy, releases 1.6.10 to 1.26, which is imported by the rules of "slapos proxy
start", or a file or postgres:// address of this program's master, which is copied as it is.

The source is verified and stays as it is. Stop its master before: what it is told afterwards
is not in the copy. The target is verified and gets everything in one step or nothing: run an
import that was interrupted again. A target with content is refused. Masters may serve an
empty PostgreSQL database already; their changes wait meanwhile.

  slapos proxy import proxy.db --database-uri postgres://master@db.example.org/cluster

Exit status: 0 imported, 1 error.`

// newProxyImport is "slapos proxy import".
func newProxyImport(a *app) *cobra.Command {
	var cfg *cfgOption
	var database string
	cmd := leaf(otherGroup, "import source", "move the database of a master, to PostgreSQL or a file", proxyImportLong,
		func(cmd *cobra.Command, args []string) error {
			s, err := a.databaseSettings(cfg, database)
			if err != nil {
				return err
			}
			source := a.expandHome(args[0])
			notes, err := proxy.Import(cmd.Context(), source, s.database, proxy.ImportOptions{ComputerID: s.computerID})
			if err != nil {
				return err
			}
			for _, note := range notes {
				a.log.Warn(note)
			}
			a.log.Info("The database " + proxy.DatabaseName(source) + " was imported into " + proxy.DatabaseName(s.database))
			return nil
		})
	f := optionsOf(cmd)
	cfg = nodeCfg(f)
	f.text(&database, "-u --database-uri", "Target: postgres:// address or new file (default: database_uri of [slapproxy]).")
	return cmd
}
