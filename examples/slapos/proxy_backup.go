package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/proxy"
)

const proxyBackupLong = `Copies a stand-alone master's database, as it is at one moment, while the master serves it,
and prints the path of the copy. Without file, the copy goes beside the database, with the
time in its name, and the oldest copies there are removed: backup_retention of [slapproxy]
tells how many stay.

To restore a copy, stop the master, put it in the place of the database, and remove the files
of the same name that end in -wal and -shm.

Exit status: 0 copied, 1 error.`

// newProxyBackup is "slapos proxy backup".
func newProxyBackup(a *app) *cobra.Command {
	var cfg *cfgOption
	var database string
	var o proxy.BackupOptions
	cmd := leaf(otherGroup, "backup [file]", "copy the database of a running master", proxyBackupLong,
		func(cmd *cobra.Command, args []string) error {
			s, err := a.databaseSettings(cfg, database)
			if err != nil {
				return err
			}
			retention, err := s.retention()
			if err != nil {
				return inFile(a.locate(cfg), err)
			}
			o.Keep = retention.Backups
			if len(args) > 0 {
				o.Path = a.expandHome(args[0])
			}
			path, err := proxy.Backup(cmd.Context(), s.database, o)
			if err != nil {
				return forceHint(err)
			}
			return a.printf("%s\n", path)
		})
	f := optionsOf(cmd)
	cfg = nodeCfg(f)
	f.text(&database, "-u --database-uri", "Database file (default: database_uri of [slapproxy]).")
	f.flag(&o.Replace, "--force", "Replace the file if it exists.")
	return cmd
}

// forceHint names the option that replaces files.
func forceHint(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w\n--force replaces a file that no program has open", err)
	}
	return err
}
