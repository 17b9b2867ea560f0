package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/proxy"
)

const proxyExportLong = `Writes what a stand-alone master's database holds as a database of the Python proxy: schema
18 for release 1.26, 14 for release 1.6.10. A master may serve the database meanwhile. What
the other schema cannot hold is named in warnings.

Exit status: 0 written, 1 error.`

// newProxyExport is "slapos proxy export".
func newProxyExport(a *app) *cobra.Command {
	var cfg *cfgOption
	var database, schema string
	var force bool
	cmd := leaf(otherGroup, "export file", "write a database of the Python proxy", proxyExportLong,
		func(cmd *cobra.Command, args []string) error {
			s, err := a.databaseSettings(cfg, database)
			if err != nil {
				return err
			}
			version, err := strconv.Atoi(schema)
			if err != nil {
				return err
			}
			path := a.expandHome(args[0])
			notes, err := proxy.Export(cmd.Context(), s.database, path,
				proxy.ExportOptions{Schema: version, ComputerID: s.computerID, Replace: force})
			if err != nil {
				return forceHint(err)
			}
			for _, note := range notes {
				a.log.Warn(note)
			}
			a.log.Info("The database " + proxy.DatabaseName(s.database) + " was exported to " + path)
			return nil
		})
	f := optionsOf(cmd)
	cfg = nodeCfg(f)
	f.text(&database, "-u --database-uri", "Database file or postgres:// address (default: database_uri of [slapproxy]).")
	schema = "18"
	f.choice(&schema, []string{"14", "18"}, "--schema", "Schema to write. Default: 18.")
	f.flag(&force, "--force", "Replace the file if it exists.")
	return cmd
}
