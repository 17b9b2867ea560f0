package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/internal/atomicfile"
	"github.com/slapos/slapos-go/internal/configparser"
)

const configureLocalLong = `Writes the configuration of a node that has its own master on this machine, prepares its
partitions, and starts the supervisor, which keeps the master running. Must be run as root,
except when all four directories are given: then everything belongs to the user who runs
it. Neither users nor addresses are made: as root, all software and all partitions belong
to one account, slapsoft if it exists, else nobody (partition_user of the configuration).

Exit status: 0 the node is ready, 1 error, 5 not run as root.`

//go:embed templates/*.tmpl
var templates embed.FS

// localOptions are the options of "slapos configure local".
type localOptions struct {
	cfg                        *cfgOption
	interfaceName, ipv4Network string
	partitions                 string
	ip, port                   string
	instanceRoot, softwareRoot string
	buildout, configuration    string
	shacache                   bool
}

// localSetup is what the templates know.
type localSetup struct {
	ComputerID, MasterURL                     string
	Host, Port                                string
	InterfaceName, IPv4LocalNetwork           string
	PartitionAmount                           string
	InstanceRoot, SoftwareRoot                string
	BuildoutDirectory, ConfigurationDirectory string
	Program                                   string
	Shacache                                  bool // the master keeps a network cache
	Root                                      bool
	UID, GID                                  int
	PartitionUser                             string // as root: owner of all partitions
	ownerUID, ownerGID                        int    // as root: owner of the software
}

// newConfigureLocal is "slapos configure local".
func newConfigureLocal(a *app) *cobra.Command {
	o := localOptions{
		interfaceName: "lo", ipv4Network: "10.0.0.0/16", partitions: "20", ip: "127.0.0.1", port: "8080",
	}
	cmd := leaf(otherGroup, "local", "configure a slapos node, from scratch to ready-to-use, using slapproxy", configureLocalLong,
		func(cmd *cobra.Command, _ []string) error { return a.configureLocal(cmd, o) })
	f := optionsOf(cmd)
	o.cfg = &cfgOption{}
	f.text(&o.cfg.path, "--cfg", "Node configuration to use instead of the one that is written.")
	f.text(&o.interfaceName, "--interface-name", "Network interface that gets the addresses of the partitions (default: lo).")
	f.number(&o.partitions, "--partition-number", "Number of partitions (default: 20).")
	f.text(&o.ipv4Network, "--ipv4-local-network", "Network of the partitions' local IPv4 addresses; it should be used by nothing else (default: 10.0.0.0/16).")
	f.text(&o.ip, "--daemon-listen-ip", "Address of the master (default: 127.0.0.1).")
	f.number(&o.port, "--daemon-listen-port", "Port of the master (default: 8080).")
	f.text(&o.instanceRoot, "--slapos-instance-root", "Directory of the partitions (default: /srv/slapgrid).")
	f.text(&o.softwareRoot, "--slapos-software-root", "Directory of the Software Releases (default: /opt/slapgrid).")
	f.text(&o.buildout, "--slapos-buildout-directory", "Directory of the master's database and of the logs (default: /opt/slapos).")
	f.text(&o.configuration, "--slapos-configuration-directory", "Directory of the configuration files (default: /etc/opt/slapos).")
	f.flag(&o.shacache, "--enable-shacache-proxy", "Let the master keep a network cache, and the node use it.")
	return cmd
}

// configureLocal runs the documented steps (spec cli.md 5.11). What can be seen
// to fail is looked at before the first file is written.
func (a *app) configureLocal(cmd *cobra.Command, o localOptions) error {
	ctx := cmd.Context()
	setup, err := a.localSetup(o)
	if err != nil {
		return err
	}
	config := filepath.Join(setup.ConfigurationDirectory, "slapos.cfg")
	if _, err := os.Lstat(config); err == nil {
		a.log.Error("A SlapOS configuration directory already exist at " + config + ". Aborting.\n" +
			"Remove it, or choose another directory with --slapos-configuration-directory.")
		return status(exitFailure)
	}
	if err := setup.checkAddress(ctx); err != nil {
		return err
	}
	if err := setup.chooseOwners(user.Lookup); err != nil {
		return err
	}
	if setup.Root {
		a.log.Warn("users and networks are not made: all software and all partitions will belong to " +
			setup.PartitionUser + ", and get addresses of this machine only")
	}
	if err := os.MkdirAll(setup.ConfigurationDirectory, 0o777); err != nil {
		return err
	}
	if err := setup.write("slapos.cfg", config, 0o644); err != nil {
		return err
	}
	used := config
	if o.cfg.path != "" {
		used = a.expandHome(o.cfg.path)
	}
	node, err := a.prepareLocal(ctx, setup, used)
	if err != nil {
		return errors.Join(err, os.Remove(config)) // so that the command can be run again
	}
	return a.startLocal(ctx, setup, used, node)
}

// localSetup collects the values of the templates and checks who runs the command.
func (a *app) localSetup(o localOptions) (*localSetup, error) {
	given := o.instanceRoot != "" && o.softwareRoot != "" && o.buildout != "" && o.configuration != ""
	if a.euid != 0 && !given {
		return nil, errNotRoot
	}
	setup := &localSetup{
		ComputerID: "local_computer", Host: o.ip, Port: o.port,
		InterfaceName: o.interfaceName, IPv4LocalNetwork: o.ipv4Network, PartitionAmount: o.partitions,
		Shacache: o.shacache, Root: a.euid == 0, UID: a.euid, GID: os.Getegid(),
	}
	host := o.ip
	if strings.Contains(host, ":") {
		host = "[" + strings.Trim(host, "[]") + "]"
	}
	setup.MasterURL = "http://" + host + ":" + o.port
	for _, directory := range []struct {
		p               *string
		given, fallback string
	}{
		{&setup.InstanceRoot, o.instanceRoot, "/srv/slapgrid"},
		{&setup.SoftwareRoot, o.softwareRoot, "/opt/slapgrid"},
		{&setup.BuildoutDirectory, o.buildout, "/opt/slapos"},
		{&setup.ConfigurationDirectory, o.configuration, "/etc/opt/slapos"},
	} {
		path := directory.given
		if path == "" {
			path = directory.fallback
		}
		absolute, err := filepath.Abs(a.expandHome(path))
		if err != nil {
			return nil, err
		}
		*directory.p = absolute
	}
	program, err := localProgram(setup.BuildoutDirectory)
	setup.Program = program
	return setup, err
}

// localProgram is the slapos program that the installation has, or this one.
func localProgram(buildout string) (string, error) {
	installed := filepath.Join(buildout, "bin", "slapos")
	if info, err := os.Stat(installed); err == nil && info.Mode().IsRegular() {
		return installed, nil
	}
	return os.Executable()
}

// write fills a template in and writes it into a file.
func (s *localSetup) write(name, path string, mode fs.FileMode) error {
	text, err := templates.ReadFile("templates/" + name + ".tmpl")
	if err != nil {
		return err
	}
	values := s.values()
	filled := os.Expand(string(text), func(name string) string {
		value, ok := values[name]
		if !ok {
			err = fmt.Errorf("template %s: unknown value %q", path, name)
		}
		return value
	})
	if err != nil {
		return err
	}
	return atomicfile.Write(path, []byte(filled), mode)
}

// values are what the templates name. In paths and addresses percent signs are
// doubled: they mean references in all three files.
func (s *localSetup) values() map[string]string {
	escaped := func(text string) string { return strings.ReplaceAll(text, "%", "%%") }
	values := map[string]string{
		"ComputerID": s.ComputerID, "MasterURL": escaped(s.MasterURL),
		"Host": escaped(s.Host), "Port": s.Port,
		"InterfaceName": escaped(s.InterfaceName), "IPv4LocalNetwork": escaped(s.IPv4LocalNetwork),
		"PartitionAmount": s.PartitionAmount,
		"InstanceRoot":    escaped(s.InstanceRoot), "SoftwareRoot": escaped(s.SoftwareRoot),
		"BuildoutDirectory": escaped(s.BuildoutDirectory), "ConfigurationDirectory": escaped(s.ConfigurationDirectory),
		"Program": escaped(s.Program), "UID": strconv.Itoa(s.UID), "GID": strconv.Itoa(s.GID),
		"RootCheck": "", "PartitionUser": "",
		"NetworkCache": s.networkCache(escaped), "Shacache": s.masterCache(escaped),
	}
	if !s.Root {
		values["RootCheck"] = "# Everything belongs to one ordinary user.\nroot_check = false\n"
	}
	if s.PartitionUser != "" {
		values["PartitionUser"] = "# The account of all partitions.\npartition_user = " + escaped(s.PartitionUser) + "\n"
	}
	return values
}

// writeMaster writes the configuration of the master, tells the supervisor to
// keep it running, and makes the directory of the logs.
func (s *localSetup) writeMaster(file *configparser.File) error {
	for key, p := range map[string]*string{
		"instance_root": &s.InstanceRoot, "software_root": &s.SoftwareRoot, "computer_id": &s.ComputerID,
	} {
		value, err := file.Get("slapos", key)
		if err != nil {
			return err
		}
		*p = value
	}
	if s.Shacache {
		if err := makeSigningKey(s.signingKey()); err != nil {
			return err
		}
	}
	if err := s.write("slapos-proxy.cfg", filepath.Join(s.ConfigurationDirectory, "slapos-proxy.cfg"), 0o644); err != nil {
		return err
	}
	programs := filepath.Join(s.InstanceRoot, "etc", "supervisord.conf.d")
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return err
	}
	if err := s.write("slapproxy.conf", filepath.Join(programs, "slapproxy.conf"), 0o600); err != nil {
		return err
	}
	if err := os.MkdirAll(s.BuildoutDirectory, 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(s.BuildoutDirectory, "log"), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
