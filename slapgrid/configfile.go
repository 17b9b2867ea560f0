package slapgrid

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Defaults of the configuration file.
const (
	defaultPeriodicity     = 24 * time.Hour
	defaultPromiseTimeout  = 20 * time.Second
	defaultMinFreeSpace    = 1000 << 20
	defaultWatchdogProgram = "/opt/slapos/bin/slapos-watchdog"
	defaultPIDDirectory    = "/opt/slapos"
)

// networkCacheKeys are the keys of [networkcache] that buildout gets, in the
// order of its command line.
var networkCacheKeys = []string{
	"signature-private-key-file", "upload-cache-url", "upload-dir-url",
	"shacache-ca-file", "shacache-cert-file", "shacache-key-file",
	"shadir-ca-file", "shadir-cert-file", "shadir-key-file",
}

// ParseConfig makes a configuration from the sections of a configuration file
// (section, then key in lower case) and from the options of a command line that
// were really given, under their names in the file. Options win over
// [networkcache], which wins over [slapos]. The result is checked with the
// messages of the reference, except that files are looked at by
// [Config.Validate].
func ParseConfig(sections map[string]map[string]string, options map[string]string) (Config, error) {
	v := values{}
	maps.Copy(v, sections["slapos"])
	maps.Copy(v, sections["networkcache"])
	maps.Copy(v, options)
	if err := v.checkMandatory(); err != nil {
		return Config{}, err
	}
	cfg := v.texts()
	_, cfg.Firewall = sections["firewall"]
	if err := v.numbers(&cfg); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// values are the merged keys. Reading tries the key with dashes and with
// underscores.
type values map[string]string

func (v values) get(key string) string {
	for _, name := range []string{key, strings.ReplaceAll(key, "_", "-"), strings.ReplaceAll(key, "-", "_")} {
		if value, ok := v[name]; ok && value != "" {
			return value
		}
	}
	return ""
}

func (v values) or(key, fallback string) string {
	if value := v.get(key); value != "" {
		return value
	}
	return fallback
}

// checkMandatory is section 2.7, steps 2 and 3.
func (v values) checkMandatory() error {
	keys := []string{"computer_id", "instance_root", "master_url", "software_root"}
	_, hasKey := v["key_file"]
	_, hasCert := v["cert_file"]
	if hasKey || hasCert {
		keys = append(keys, "key_file", "cert_file", "certificate_repository_path")
	}
	slices.Sort(keys)
	var missing, empty []string
	for _, key := range keys {
		if value, ok := v[key]; !ok {
			missing = append(missing, key)
		} else if value == "" {
			empty = append(empty, key)
		}
	}
	if len(missing) > 0 {
		return compatf("Missing mandatory parameters: %s", strings.Join(missing, ", "))
	}
	if len(empty) > 0 {
		return compatf("Mandatory parameters present but empty: %s", strings.Join(empty, ", "))
	}
	return nil
}

// texts fills the fields that are taken as they are.
func (v values) texts() Config {
	cfg := Config{
		MasterURL: v["master_url"], ComputerID: v["computer_id"],
		SoftwareRoot: v["software_root"], InstanceRoot: v["instance_root"],
		KeyFile: v.get("key_file"), CertFile: v.get("cert_file"),
		CertificateRepository: v.get("certificate_repository_path"),
		MasterCAFile:          v.get("master_ca_file"),
		BuildoutScript:        v.get("buildout"),
		Python:                v.get("python"),
		SharedPartList:        v.get("shared_part_list"),
		BuildTimePartList:     v.get("build_time_part_list"),
		NetworkCache:          map[string]string{},
		InstanceStorageHome:   v.get("instance_storage_home"),
		IPv4GlobalNetwork:     v.get("ipv4_global_network"),
		Managers:              strings.FieldsFunc(v.get("manager_list"), blankOrComma),
		Supervisor:            SupervisorKind(v.or("supervisor", string(SupervisorAuto))),
		WatchdogProgram:       defaultWatchdogProgram,
		PIDFileSoftware:       v.pidFile("software", "slapgrid-sr.pid"),
		PIDFileInstance:       v.pidFile("instance", "slapgrid-cp.pid"),
		PIDFileReport:         v.pidFile("report", "slapgrid-ur.pid"),
		OnlySoftware:          splitCommas(v.get("only-sr")),
		OnlyPartitions:        splitCommas(v.get("only-cp")),
	}
	if program := v.get("supervisord"); program != "" {
		cfg.SupervisordCommand = []string{program}
	}
	keys := append(slices.Clone(networkCacheKeys), "download-from-binary-cache-force-url-list")
	for _, key := range keys {
		if value := v.get(key); value != "" {
			cfg.NetworkCache[key] = value
		}
	}
	return cfg
}

// pidFile is section 3.2.
func (v values) pidFile(kind, name string) string {
	if path := v.get("pidfile_" + kind); path != "" {
		return path
	}
	return v.or("pidfile", filepath.Join(defaultPIDDirectory, name))
}

// numbers fills the fields that have to be converted.
func (v values) numbers(cfg *Config) error {
	periodicity, err := v.seconds("maximum_periodicity", defaultPeriodicity)
	if err != nil {
		return err
	}
	cfg.MaximumPeriodicity, cfg.AlwaysProcess = periodicity, periodicity == 0
	if cfg.PromiseTimeout, err = v.limit("promise_timeout", defaultPromiseTimeout); err != nil {
		return err
	}
	if cfg.PartitionTimeout, err = v.limit("partition_timeout", 0); err != nil {
		return err
	}
	if cfg.MaximalDelay, err = v.limit("maximal_delay", 0); err != nil {
		return err
	}
	if cfg.SoftwareMinFreeSpace, err = v.size("software_min_free_space"); err != nil {
		return err
	}
	if cfg.InstanceMinFreeSpace, err = v.size("instance_min_free_space"); err != nil {
		return err
	}
	return v.switches(cfg)
}

// switches fills the true or false fields and the number of jobs.
func (v values) switches(cfg *Config) (err error) {
	if cfg.RootCheck, err = v.bool("root_check", true); err != nil {
		return err
	}
	if cfg.ForbidSupervisordLaunch, err = v.bool("forbid_supervisord_automatic_launch", false); err != nil {
		return err
	}
	if cfg.Develop, err = v.anyBool("develop"); err != nil {
		return err
	}
	if cfg.AllowRoot, err = v.bool("allow_root_owner", false); err != nil {
		return err
	}
	verify, err := v.bool("master_verify", true)
	if err != nil {
		return err
	}
	cfg.SkipMasterVerification = !verify
	if text := v.get("parallel"); text != "" {
		if cfg.Parallel, err = strconv.Atoi(text); err != nil || cfg.Parallel < 0 {
			return fmt.Errorf("parallel: '%s' is not a number of jobs", text)
		}
	}
	return nil
}

func (v values) seconds(key string, fallback time.Duration) (time.Duration, error) {
	text := v.get(key)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, compatf("%s: '%s' is not a whole number of seconds", key, text)
	}
	if n < -maxSeconds || n > maxSeconds {
		return 0, compatf("%s: '%s' is more than %d seconds", key, text, maxSeconds)
	}
	return time.Duration(n) * time.Second, nil
}

// maxSeconds bounds times, in seconds: a hundred years.
const maxSeconds int64 = 100 * 365 * 24 * 3600

// limit is seconds for a time that cannot be negative.
func (v values) limit(key string, fallback time.Duration) (time.Duration, error) {
	d, err := v.seconds(key, fallback)
	if err == nil && d < 0 {
		err = compatf("%s: '%s' is negative", key, v.get(key))
	}
	return d, err
}

func (v values) size(key string) (int64, error) {
	text := v.get(key)
	if text == "" {
		return defaultMinFreeSpace, nil
	}
	n, err := ParseSize(text)
	if err != nil {
		return 0, compatf("%s: %w", key, err)
	}
	if n == 0 {
		n = -1 // zero of the struct means the default
	}
	return n, nil
}

func (v values) bool(key string, fallback bool) (bool, error) {
	text := v.get(key)
	switch strings.ToLower(text) {
	case "":
		return fallback, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, compatf("%s: %s is neither True nor False.", key, text)
}

// anyBool reads a truth value in all spellings of the INI format. The reference
// takes any text for true, even false.
func (v values) anyBool(key string) (bool, error) {
	switch strings.ToLower(v.get(key)) {
	case "1", "yes", "on":
		return true, nil
	case "0", "no", "off":
		return false, nil
	}
	return v.bool(key, false)
}

// splitCommas splits a selection; entries are not stripped, as documented.
func splitCommas(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func blankOrComma(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) }
